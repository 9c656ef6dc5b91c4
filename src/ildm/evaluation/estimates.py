"""Shares, means and differences of means, each with its count and its interval."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from ildm.evaluation.intervals import bootstrap_mean, wilson
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
