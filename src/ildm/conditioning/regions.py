"""Painted regions: what each prompt's share of a picture is, at every position and every step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.conditioning.ratios import split
from ildm.conditioning.rules import Mode, Overlap
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.masks import Grid, mask_on, whole_kept
from ildm.core.randomness import SeedAreas
from ildm.core.seeds import check_seed
from ildm.core.types import Worn

__all__ = ["Mode", "Overlap", "Region", "check_window", "coverage", "seed_areas", "split"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Region:
    """A painted area with a prompt of its own.

    Args:
        prompt, negative_prompt: in prompt syntax; empty ones = the picture's.
        mask: (height, width) in [0, 1] at any resolution.
        strength: how much of the guidance acts here, >= 0.
        base_ratio: how much of the base prompt is mixed in, in [0, 1].
        guidance_scale: None = the picture's.
        seed: of the noise here; None = the picture's. Where a run's first noise is given, it acts on that of steps alone.
        window: steps [start, stop), counted from 0, in which the region acts at all; None = all.
        adapters: those that act here beside the model's, by name; only in the mode "latent".

    Raises:
        ShapeError: when the mask is none.
        ConfigError: for a value out of range.
    """

    prompt: str
    mask: Tensor
    negative_prompt: str = ""
    strength: float = 1.0
    base_ratio: float = 0.0
    guidance_scale: float | None = None
    seed: int | None = None
    window: tuple[int, int] | None = None
    adapters: Worn = ()

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.numel() == 0 or not self.mask.is_floating_point():
            raise ShapeError(
                f"A region's mask is (height, width) with numbers from 0 to 1, but {tuple(self.mask.shape)} of {self.mask.dtype} came."
            )
        if not (bool(torch.isfinite(self.mask).all()) and 0.0 <= float(self.mask.min()) <= float(self.mask.max()) <= 1.0):
            raise ConfigError("A region's mask has numbers from 0 to 1, but others came: scale them.")
        numbers = (self.strength, self.base_ratio, 0.0 if self.guidance_scale is None else self.guidance_scale)
        if not (all(map(math.isfinite, numbers)) and min(numbers) >= 0.0 and self.base_ratio <= 1.0):
            raise ConfigError(
                "A region has a strength and a guidance scale of 0 or more and a base ratio from 0 to 1, but "
                f"{self.strength}, {self.guidance_scale} and {self.base_ratio} were given."
            )
        if self.seed is not None:
            check_seed(self.seed)
        check_window(self.window)

    def acts_at(self, step: int) -> bool:
        """Whether it acts at step `step`, counted from 0."""
        return self.window is None or self.window[0] <= step < self.window[1]


def check_window(window: tuple[int, int] | None) -> None:
    """Check that a region can act at some step.

    Raises:
        ConfigError: when it cannot.
    """
    if window is None:
        return
    steps = tuple(window)
    if len(steps) != 2 or not all(isinstance(step, int) for step in steps) or not 0 <= steps[0] < steps[1]:
        raise ConfigError(
            f"A region acts in the steps from `start` to before `stop`, but {steps} were given: "
            "start is a whole number of 0 or more, and stop one that lies behind it."
        )


def coverage(
    masks: Float[Tensor, "regions height width"], overlap: Overlap, base_ratios: Sequence[float] = ()
) -> Float[Tensor, "shares height width"]:
    """The share of each prompt at every position: the base's, then the regions'.

    normalise: `m_r / max(1, sum m)`, so that a soft border fades into the base; z-order: `m_r` times what the regions above it let
    through; add: `m_r`. The base has what is left. The shares sum to 1, except where added regions exceed it.

    Args:
        masks: in [0, 1], the uppermost last.
        base_ratios: how much of each region's share goes to the base; none given = nothing.
    """
    masks = masks.double()
    if overlap == "z-order":
        through = torch.cat([torch.ones_like(masks[:1]), (1.0 - masks.flip(0)).cumprod(dim=0)])  # from the top down
        shares, base = masks * through[:-1].flip(0), through[-1]
    else:
        total = masks.sum(dim=0)
        shares, base = masks if overlap == "add" else masks / total.clamp_min(1.0), (1.0 - total).clamp_min(0.0)
    if base_ratios:
        ratios = torch.tensor(base_ratios, dtype=torch.float64)[:, None, None]
        base = base + (ratios * shares).sum(dim=0)
        shares = (1.0 - ratios) * shares
    return torch.cat([whole_kept(base)[None], shares])


def seed_areas(regions: Sequence[Region], grid: Grid) -> SeedAreas | None:
    """Whose noise counts where; None = the picture's own everywhere.

    Args:
        grid: (height, width) of the latent.
    """
    seeds = tuple(dict.fromkeys(region.seed for region in regions if region.seed is not None))
    if not seeds:
        return None
    masks = torch.stack([mask_on(region.mask, grid) for region in regions])
    belongs = [torch.tensor([region.seed == seed for region in regions]) for seed in (*seeds, None)]
    *own, rest = (masks[those].sum(dim=0) for those in belongs)
    return SeedAreas(seeds, torch.stack(own), rest + (1.0 - masks.sum(dim=0)).clamp_min(0.0))
