"""Soft masks at other resolutions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Grid = tuple[int, int]
"""(height, width)."""

ROUNDING = 1e-6


def area_average(weights: Float[Tensor, "*batch height width"], grid: Grid) -> Float[Tensor, "*batch _ _"]:
    """Resize soft masks so that each cell is the mean of the area it covers, also where the sizes do not divide.

    Masks that sum to one at every position still do.
    """
    if weights.shape[-2:] == grid:
        return weights
    height, width = grid
    rows = _coverage(weights.shape[-2], height).to(weights)  # (h', h)
    columns = _coverage(weights.shape[-1], width).to(weights)  # (w', w)
    with torch.autocast(weights.device.type, enabled=False):  # shares rounded to bfloat16 would not sum to one
        return rows @ weights @ columns.mT


def mask_on(mask: Float[Tensor, "*batch height width"], grid: Grid) -> Float[Tensor, "*batch _ _"]:
    """A soft mask by `area_average`, in double precision, where what is whole or empty stays exactly so."""
    return whole_kept(area_average(mask.double(), grid))


def whole_kept(shares: Tensor) -> Tensor:
    """Shares in which sums of many small parts that came out a little beside 0 or 1 are that."""
    return torch.where(shares < ROUNDING, 0.0, torch.where((shares - 1.0).abs() < ROUNDING, 1.0, shares))


def thin_kept(weights: Float[Tensor, "*batch areas height width"], grid: Grid) -> Float[Tensor, "*batch areas _ _"]:
    """Resize the weights of areas by `area_average`, but so that what is narrower than a cell still acts.

    As much as averaging takes from an area's peak, so far does the area go from its average to its maximum in each cell. It takes that
    from the others: first from area 0, the ground that the others lie on, and where several are thin from each other in proportion. The
    sum over all areas is that of the averages.

    Args:
        weights: >= 0.
    """
    average = area_average(weights, grid)
    ground, painted = average[..., :1, :, :], average[..., 1:, :, :]
    if painted.shape[-3] == 0:
        return average
    widest = _widest(weights[..., 1:, :, :], grid)
    tiny = torch.finfo(average.dtype).tiny
    lost = 1.0 - painted.amax(dim=(-2, -1), keepdim=True) / widest.amax(dim=(-2, -1), keepdim=True).clamp_min(tiny)
    total = ground + painted.sum(dim=-3, keepdim=True)
    painted = torch.lerp(painted, widest, lost.clamp(0.0, 1.0))
    painted = painted * (total / painted.sum(dim=-3, keepdim=True).clamp_min(tiny)).clamp_max(1.0)
    return torch.cat([(total - painted.sum(dim=-3, keepdim=True)).clamp_min(0.0), painted], dim=-3)


def _widest(weights: Tensor, grid: Grid) -> Tensor:
    """The maximum in each cell."""
    flat = weights.reshape(-1, *weights.shape[-2:])
    return F.adaptive_max_pool2d(flat, grid).reshape(*weights.shape[:-2], *grid)


def _coverage(source: int, target: int) -> Tensor:
    """(target, source): the share of each target cell that each source cell covers, on a line of unit length."""
    low = torch.arange(target, dtype=torch.float64)[:, None] * source / target
    cell = torch.arange(source, dtype=torch.float64)[None]
    shared = torch.minimum(low + source / target, cell + 1) - torch.maximum(low, cell)
    return shared.clamp(min=0) * target / source
