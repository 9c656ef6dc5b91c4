"""Shares, means and differences of means, each with its count and its interval, also of things of which images hold several."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.evaluation.intervals import bootstrap_mean, bootstrap_ratio, clustered_wilson, wilson
from ildm.evaluation.metric import Estimate


def share(found: Bool[Tensor, " count"]) -> Estimate:
    """The share of True."""
    count, right = len(found), int(found.sum())
    return Estimate(value=right / max(1, count), count=count, interval=wilson(right, count))


def mean(values: Float[Tensor, " count"]) -> Estimate:
    """The mean of at least one value."""
    return Estimate(value=values.double().mean().item(), count=len(values), interval=bootstrap_mean(values))


def difference(ours: Float[Tensor, " count"], theirs: Float[Tensor, " count"]) -> Estimate:
    """The mean difference of two measures of the same images: narrower than the difference of two means, because the images cancel."""
    return mean(ours.double() - theirs.double())


def share_of_things(found: Bool[Tensor, " things"], sizes: Sequence[int]) -> Estimate:
    """The share of True among things; those of one image, alike in how well it was drawn, do not count as independent.

    Args:
        sizes: how many things each image holds, in the order of `found`.
    """
    hits, counts = _by_image(found, sizes)
    return Estimate(value=int(found.sum()) / max(1, len(found)), count=len(found), interval=clustered_wilson(hits, counts))


def mean_of_things(values: Float[Tensor, " things"], sizes: Sequence[int]) -> Estimate:
    """The mean of at least one value; the interval draws images and not things. See `share_of_things`."""
    sums, counts = _by_image(values, sizes)
    return Estimate(value=values.double().mean().item(), count=len(values), interval=bootstrap_ratio(sums, counts))


def _by_image(values: Tensor, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The sums and the numbers of things of the images that hold any, (images,) each."""
    kept = torch.tensor([size for size in sizes if size > 0], dtype=torch.float64)
    sums = [part.double().sum() for part in values.split(list(sizes)) if len(part)]
    return (torch.stack(sums) if sums else kept), kept
