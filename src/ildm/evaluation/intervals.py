"""95 % confidence intervals, one way for each kind of figure: a share, a mean, a distance between two samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

Interval = tuple[float, float]

_Z = 1.959964
# Student's t for 9 degrees of freedom, as a jackknife over 10 groups has
_GROUPS, _T = 10, 2.262157


def wilson(hits: int, count: int) -> Interval:
    """The interval of a share of `hits` in `count` independent trials (Wilson 1927): sound near 0 and 1 too."""
    if count == 0:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * (share * (1 - share) / count + square / (4 * count * count)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_mean(values: Tensor, *, resamples: int = 2000, seed: int = 0) -> Interval:
    """The percentile interval of the mean of `values`, shape (count,), over samples drawn with replacement."""
    draws = torch.Generator().manual_seed(seed)
    values = values.double().flatten()
    chosen = torch.randint(len(values), (resamples, len(values)), generator=draws)
    means = values[chosen].mean(dim=1)
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def jackknife(statistic: Callable[[Tensor, Tensor], float], ours: Tensor, reference: Tensor) -> Interval:
    """The interval of a statistic of two samples, each (count, features), by leaving out a tenth of both ten times.

    Every leave-out sample is nearly full size, so the bias that Frechet distances and k-NN shares have in small samples
    stays almost the same in all of them; it is not removed.
    """
    value = statistic(ours, reference)
    parts = [statistic(ours[mine], reference[theirs]) for mine, theirs in zip(_left(ours), _left(reference), strict=True)]
    spread = torch.tensor(parts, dtype=torch.float64)
    error = ((spread - spread.mean()) ** 2).sum().mul((_GROUPS - 1) / _GROUPS).sqrt().item()
    return value - _T * error, value + _T * error


def _left(rows: Tensor) -> Iterator[Tensor]:
    index = torch.arange(len(rows), device=rows.device)
    for group in range(_GROUPS):
        yield index[index % _GROUPS != group]
