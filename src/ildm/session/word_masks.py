"""Where a word is: a mask read from what the cross-attentions look at (Tang 2022, DAAM)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ildm.core.masks import Grid
from ildm.session.wire import Mask

SOFTNESS = 0.25
"""How much of the range from the least to the most looked at lies in a mask's soft edge."""


def mask_of_maps(maps: Sequence[Float[Tensor, "_ _"]], grid: Grid, size: tuple[int, int]) -> Mask:
    """One soft mask of what several cross-attentions look at.

    Args:
        maps: of any resolutions; each counts as much, wherever its level is.
        grid: (height, width) of the latent, at which they are averaged.
        size: (width, height) of the mask in pixels.
    """
    heat = torch.stack([_resized(one / one.mean().clamp_min(1e-12), grid) for one in maps]).mean(dim=0)
    fine = _resized(heat, (size[1], size[0]))
    low, high = float(fine.min()), float(fine.max())
    if high - low < 1e-6 * max(1.0, high):
        return Mask.from_array(torch.ones_like(fine).cpu().numpy())  # it is looked at everywhere alike
    even = (fine - low) / (high - low)
    return Mask.from_array(((even - _threshold(even)) / SOFTNESS + 0.5).clamp(0.0, 1.0).cpu().numpy())


def _threshold(values: Tensor) -> float:
    """The border between two groups of numbers in [0, 1] that are as far apart as they can be (Otsu 1979)."""
    counts = torch.histc(values.float().cpu(), bins=64, min=0.0, max=1.0).double()
    middles = (torch.arange(64, dtype=torch.float64) + 0.5) / 64
    below = counts.cumsum(dim=0)
    above = below[-1] - below
    sums = (counts * middles).cumsum(dim=0)
    apart = below * above * (sums / below.clamp_min(1.0) - (sums[-1] - sums) / above.clamp_min(1.0)).square()
    best = apart == apart.max()  # empty bins between the groups are all as good: the middle of them
    return float((middles[best].mean() + 0.5 / 64).clamp(0.0, 1.0))


def _resized(heat: Tensor, grid: Grid) -> Tensor:
    return F.interpolate(heat[None, None].float(), grid, mode="bilinear", align_corners=False)[0, 0]
