"""How far two sets of images are apart, measured between their feature vectors, in float64.

With the features of EfficientNet-Lite0 the figures are called KID-Lite0 and FD-Lite0; only the usual Inception network
earns the name FID.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import DataError, ShapeError
from ildm.evaluation.blocks import row_blocks
from ildm.evaluation.intervals import Interval

Features = Float[Tensor, "count width"]
# the same width, which is checked by hand to say what to do
Reference = Float[Tensor, "reference reference_width"]


def kernel_distance(ours: Features, reference: Reference) -> float:
    """The kernel distance KID (Binkowski 2018): squared maximum mean discrepancy, kernel (x.y / width + 1)^3.

    The unbiased estimate, so two samples of one distribution give zero on average, and half of them less than zero.

    Raises:
        ShapeError: when the feature widths differ.
        DataError: for fewer than two images on a side.
    """
    ours, reference = _checked(ours, reference)
    n, m = len(ours), len(reference)
    across = sum(block.sum().item() for _, block in _kernel(ours, reference))
    return _pair_sum(ours) / (n * (n - 1)) + _pair_sum(reference) / (m * (m - 1)) - 2 * across / (n * m)


def kernel_distance_interval(ours: Features, reference: Reference, *, subsets: int = 200, seed: int = 0) -> Interval:
    """The 95 % interval of `kernel_distance` over random half-sized subsets of both sides.

    Halves drawn without replacement spread about as much as fresh samples of the full size would, and unlike a
    bootstrap with replacement they never pair an image with itself.
    """
    ours, reference = _checked(ours, reference)
    draws = torch.Generator().manual_seed(seed)
    mine = _halves(len(ours), subsets, draws).to(ours.device)
    theirs = _halves(len(reference), subsets, draws).to(ours.device)
    across = _chosen_sums(_kernel(ours, reference), mine, theirs) / (mine.sum(dim=1) * theirs.sum(dim=1))
    estimates = _chosen_pair_mean(ours, mine) + _chosen_pair_mean(reference, theirs) - 2 * across
    low, high = estimates.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64, device=ours.device)).tolist()
    return low, high


def frechet_distance(ours: Features, reference: Reference) -> float:
    """The Frechet distance between Gaussians fitted to both sides (Dowson and Landau 1982; Heusel 2017).

    Biased upwards in small samples: compare only figures with the same number of images, and beside the floor that two
    real samples of that size have.

    Raises:
        ShapeError: when the feature widths differ.
        DataError: for fewer than two images on a side.
    """
    ours, reference = _checked(ours, reference)
    mean_gap = (ours.mean(dim=0) - reference.mean(dim=0)).square().sum()
    deviation, deviation_reference = _deviation(ours), _deviation(reference)
    # with covariances X'X and Y'Y, tr (X'X Y'Y)^(1/2) is the sum of the singular values of X Y': no matrix root, no squaring
    overlap = torch.linalg.svdvals(deviation @ deviation_reference.T).sum()
    spread = deviation.square().sum() + deviation_reference.square().sum()
    return (mean_gap + spread - 2 * overlap).clamp(min=0).item()


def principal_directions(reference: Reference, components: int = 64) -> Float[Tensor, "reference_width components"]:
    """The directions in which the reference varies most, orthonormal.

    A Frechet distance of features along them is far less biased in small samples, and separates better.
    """
    rows = reference.double()
    return torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False).Vh[:components].T


def _checked(ours: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    if ours.ndim != 2 or reference.ndim != 2 or ours.shape[1] != reference.shape[1]:
        raise ShapeError(
            f"Features of shapes {tuple(ours.shape)} and {tuple(reference.shape)} were given, but a distance needs two "
            "tables of the same width: take both from the same network."
        )
    if min(len(ours), len(reference)) < 2:
        raise DataError(
            f"A distance between sets needs at least two images on each side, but {len(ours)} and {len(reference)} were "
            "given: raise the count."
        )
    return ours.double(), reference.double()


def _kernel(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The table of kernels, len(x) by len(y), a few rows at a time."""
    return ((rows, (x[rows] @ y.T / x.shape[1] + 1) ** 3) for rows in row_blocks(len(x), len(y)))


def _pairs(x: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The table of one side's kernels with itself, 0 for the pairs of an image with itself: the unbiased estimate leaves these out."""
    for rows, block in _kernel(x, x):
        block.diagonal(rows.start).zero_()
        yield rows, block


def _pair_sum(x: Tensor) -> float:
    return sum(block.sum().item() for _, block in _pairs(x))


def _halves(count: int, subsets: int, draws: torch.Generator) -> Tensor:
    """(subsets, count), one where an image belongs to the subset."""
    order = torch.rand(subsets, count, generator=draws).argsort(dim=1)
    return (order < max(2, count // 2)).double()


def _chosen_pair_mean(x: Tensor, chosen: Tensor) -> Tensor:
    size = chosen.sum(dim=1)
    return _chosen_sums(_pairs(x), chosen, chosen) / (size * (size - 1))


def _chosen_sums(table: Iterator[tuple[slice, Tensor]], mine: Tensor, theirs: Tensor) -> Tensor:
    """Of each subset, the sum over the rows and columns that belong to it, (subsets,)."""
    sums = torch.zeros_like(mine[:, 0])
    for rows, block in table:
        sums += ((mine[:, rows] @ block) * theirs).sum(dim=1)
    return sums


def _deviation(rows: Tensor) -> Tensor:
    """X of at most (width, width) such that X'X is the covariance of the rows."""
    return torch.linalg.qr(rows - rows.mean(dim=0), mode="r").R / (len(rows) - 1) ** 0.5
