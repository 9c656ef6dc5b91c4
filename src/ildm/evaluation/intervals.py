"""95 % confidence intervals, one way for each kind of figure: a share, a mean, a ratio, a distance between two samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.evaluation.blocks import row_blocks

Interval = tuple[float, float]

_Z = 1.959964
# Student's t for 1 to 9 degrees of freedom
_STUDENT = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157)
_GROUPS, _T = 10, _STUDENT[-1]
MOST_SEEDS = len(_STUDENT) + 1


def wilson(hits: float, count: float) -> Interval:
    """The interval of a share of `hits` in `count` independent trials (Wilson 1927): sound near 0 and 1 too."""
    if count == 0:
        return 0.0, 1.0
    share, square = hits / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * (share * (1 - share) / count + square / (4 * count * count)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_mean(values: Tensor, *, resamples: int = 2000, seed: int = 0) -> Interval:
    """The percentile interval of the mean of `values`, shape (count,), over samples drawn with replacement."""
    values = values.double().flatten()
    return _percentiles(lambda chosen: values[chosen].mean(dim=1), len(values), resamples, seed)


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
    ours, theirs = numerators.double(), denominators.double()
    return _percentiles(lambda chosen: ours[chosen].sum(dim=1) / theirs[chosen].sum(dim=1), len(ours), resamples, seed)


def clustered_wilson(hits: Float[Tensor, " clusters"], sizes: Float[Tensor, " clusters"]) -> Interval:
    """The interval of a share of trials that come in clusters, such as the things in one image, which succeed and fail together.

    Wilson's, with as many trials as these are worth (Kish 1965, section 8.2): the binomial variance of the share over that of a ratio of
    sums over clusters. Never more than there are; where all succeed, or none, as many as there are clusters.

    Args:
        hits: in each cluster, at most its size.
        sizes: at least 1.
    """
    ours, theirs = hits.double(), sizes.double()
    count, clusters = theirs.sum().item(), len(theirs)
    share = ours.sum().item() / max(1.0, count)
    worth = float(clusters)
    if clusters > 1 and 0 < share < 1:
        spread = (ours - share * theirs).square().sum().item() * clusters / (clusters - 1)
        worth = count if spread == 0 else min(count, share * (1 - share) * count * count / spread)
    return wilson(share * worth, worth)


def t_interval(parts: Float[Tensor, " parts"]) -> Interval:
    """The interval of the mean of 2 to 10 figures that were measured alike, each on its own sample (Student 1908)."""
    count = len(parts)
    mean, half = parts.mean().item(), _STUDENT[count - 2] * parts.std().item() / count**0.5
    return mean - half, mean + half


def _percentiles(statistic: Callable[[Tensor], Tensor], count: int, resamples: int, seed: int) -> Interval:
    """Of a statistic of rows of places among `count`, drawn with replacement, as many rows at a time as fit."""
    draws = torch.Generator().manual_seed(seed)
    parts = [
        statistic(torch.randint(count, (rows.stop - rows.start, count), generator=draws))
        for rows in row_blocks(resamples, count)
    ]
    low, high = torch.cat(parts).quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high


def _left(rows: Tensor) -> Iterator[Tensor]:
    index = torch.arange(len(rows), device=rows.device)
    for group in range(_GROUPS):
        yield index[index % _GROUPS != group]
