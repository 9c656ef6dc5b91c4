"""95 % confidence intervals, one way for each kind of figure: a share, a mean, a distance between two samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

Interval = tuple[float, float]

_Z = 1.959964
# Student's t for 1 to 9 degrees of freedom
_STUDENT = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
_GROUPS, _T = 10, _STUDENT[-1]
MOST_SEEDS = len(_STUDENT) + 1


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


def bootstrap_ratio(numerators: Tensor, denominators: Tensor, *, resamples: int = 2000, seed: int = 0) -> Interval:
    """The percentile interval of a ratio of sums, shape (count,) each, over pairs drawn with replacement."""
    draws = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(numerators), (resamples, len(numerators)), generator=draws)
    ratios = numerators.double()[chosen].sum(dim=1) / denominators.double()[chosen].sum(dim=1)
    low, high = ratios.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def t_interval(parts: Float[Tensor, " parts"]) -> Interval:
    """The interval of the mean of 2 to 10 figures that were measured alike, each on its own sample (Student 1908)."""
    count = len(parts)
    mean, half = parts.mean().item(), _STUDENT[count - 2] * parts.std().item() / count**0.5
    return mean - half, mean + half


def _left(rows: Tensor) -> Iterator[Tensor]:
    index = torch.arange(len(rows), device=rows.device)
    for group in range(_GROUPS):
        yield index[index % _GROUPS != group]
