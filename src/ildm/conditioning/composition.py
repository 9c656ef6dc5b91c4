"""A whole picture in words, and what of it is drawn at each step, and where."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.conditioning.regions import Mode, Overlap, Region, coverage, seed_areas
from ildm.conditioning.wording import Said, changes, said, said_whole
from ildm.core.errors import ConfigError, nearest
from ildm.core.masks import ROUNDING, Grid, mask_on
from ildm.core.randomness import SeedAreas
from ildm.core.recent import Recent
from ildm.core.types import Worn

KEPT_PLANS = 16
FINENESS = 4
"""Regions are brought to so many cells along a side of each of the latent's, wherever they are drawn."""


class Words(NamedTuple):
    """What an encoder reads at once: a text, with brackets that weigh words at most, and the adapters that it is read with."""

    text: str
    adapters: Worn = ()


class Part(NamedTuple):
    """One of the prompts that are drawn together at a step.

    Args:
        guidance: how strongly `prompt` is followed, and `negative` moved away from, while guidance acts.
        share: how much of that, or of following it as it is, acts: a region's strength, a composed prompt's weight.
    """

    prompt: Words
    negative: Words
    guidance: float
    share: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is drawn at a step, and where.

    Args:
        parts: the ground first, whatever its weight.
        weights: (parts, height, width), see `ildm.denoiser.regional.Parts`; None = there is one part, everywhere.
    """

    parts: tuple[Part, ...]
    weights: Float[Tensor, "parts height width"] | None
    mode: Mode

    @property
    def is_one_prompt(self) -> bool:
        """Whether all of it is one prompt followed as it is, which a network that is told its guidance draws by itself."""
        return self.weights is None

    @property
    def avoids(self) -> bool:
        """Whether anything is moved away from, so that the negatives are needed."""
        if any(part.guidance != 1.0 or part.share != 1.0 for part in self.parts):
            return True
        # where weights are more or less than one in all, the rest is the ground's negative
        return self.weights is not None and bool(((self.weights.sum(dim=0) - 1.0).abs() > ROUNDING).any())

    def avoids_within(self, area: Float[Tensor, "height width"]) -> bool:
        """Whether what is moved away from counts anywhere in an area, a mask on the weights' grid: it has what all that is followed
        leaves of one.
        """
        followed = torch.tensor([part.guidance * part.share for part in self.parts])
        weights = torch.ones(1, 1, 1) if self.weights is None else self.weights
        left = 1.0 - (followed[:, None, None] * weights).sum(dim=0)
        return bool(((area > 0.0) & (left.abs() > ROUNDING)).any())


@dataclass(frozen=True, kw_only=True, eq=False)
class Composition:
    """A whole picture in words: its base prompt and its regions. All prompts are in prompt syntax.

    Args:
        prompt: covers the whole picture; while it has no words, what no region covers follows no prompt at all.
        negative_prompt: for everything that has none of its own.
        guidance_scale: for everything that has none of its own.
        regions: the uppermost last.
        common_prompt: said before the prompt of every region.
        overlap, mode: see their types. Where a prompt composes several by `AND`, the mode is "latent".
    """

    prompt: str = ""
    negative_prompt: str = ""
    guidance_scale: float
    regions: tuple[Region, ...] = ()
    common_prompt: str = ""
    overlap: Overlap = "normalise"
    mode: Mode = "attention"
    _plans: Recent[tuple[_Said, Grid], Plan] = field(default_factory=lambda: Recent(KEPT_PLANS), init=False, repr=False)
    _seeded: dict[tuple[tuple[int, ...], Grid], SeedAreas | None] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.guidance_scale):
            raise ConfigError(f"Guidance is a number, but {self.guidance_scale} was given: take 3, say.")
        for name, value, known in (("overlap", self.overlap, get_args(Overlap)), ("mode", self.mode, get_args(Mode))):
            if value not in known:
                raise ConfigError(f"{value!r} is no {name} of regions: {nearest(str(value), known)}")

    def at(self, step: int, num_steps: int, size: Grid) -> Plan:
        """What is drawn at step `step`, counted from 0, of `num_steps`. It is the same object as long as nothing changes.

        Args:
            size: (height, width) that masks are brought to, see `fine_grid`.
        """
        said = self._said(step, num_steps)
        return self._plans.get((said, size), lambda: self._plan(said, size))

    def words(self, num_steps: int, limit: int | None = None) -> list[Words]:
        """What must be encoded for a run of `num_steps`, each once, in the order in which it is needed.

        Args:
            limit: so many at most; None = all.
        """
        prompts = [self.prompt, self.negative_prompt]
        prompts += [text for one in self.regions for text in (_joined(self.common_prompt, one.prompt), one.negative_prompt)]
        steps = set().union(*(changes(prompt, num_steps) for prompt in dict.fromkeys(prompts)))
        steps |= {border for one in self.regions if one.window for border in one.window if border < num_steps}
        found: dict[Words, None] = {}
        for step in sorted(steps):
            found |= dict.fromkeys(self._needed(self._said(step, num_steps)))
            if limit is not None and len(found) >= limit:
                break
        return list(found)[:limit]

    def words_at(self, step: int, num_steps: int) -> list[Words]:
        """What must be encoded for step `step`, counted from 0."""
        return self._needed(self._said(step, num_steps))

    def seed_areas(self, step: int, grid: Grid) -> SeedAreas | None:
        """Whose noise counts where at a step, counted from 0; None = the picture's own everywhere.

        Args:
            grid: (height, width) of the latent.
        """
        acting = tuple(place for place, region in enumerate(self.regions) if region.acts_at(step))
        if not any(self.regions[place].seed is not None for place in acting):
            return None
        if (acting, grid) not in self._seeded:
            self._seeded[acting, grid] = seed_areas([self.regions[place] for place in acting], grid)
        return self._seeded[acting, grid]

    def _said(self, step: int, num_steps: int) -> _Said:
        negative = said_whole(self.negative_prompt, step, num_steps)
        regions = tuple(
            _RegionSaid(
                place,
                said(_joined(self.common_prompt, region.prompt), step, num_steps),
                said_whole(region.negative_prompt, step, num_steps) or negative,
            )
            for place, region in enumerate(self.regions)
            if region.acts_at(step)
        )
        return _Said(said(self.prompt, step, num_steps), negative, regions)

    def _plan(self, said: _Said, size: Grid) -> Plan:
        areas = self._areas(said)
        if len(areas) == 1 and len(said.base) == 1:
            return Plan(parts=areas[0].parts, weights=None, mode=self.mode)
        # composed prompts are estimates that add up: nothing that one position could attend to
        mode: Mode = "latent" if any(len(area.said) > 1 for area in areas) else self.mode
        regions = [self.regions[one.place] for one in said.regions]
        if regions:
            masks = torch.stack([mask_on(region.mask, size) for region in regions])
            shares = coverage(masks, self.overlap, [region.base_ratio for region in regions] if said.has_base else ())
        else:
            shares = torch.ones(1, 1, 1)
        counts = torch.tensor([len(area.said) for area in areas])
        parts = tuple(part for area in areas for part in area.parts)
        return Plan(parts=parts, weights=shares.repeat_interleave(counts, dim=0).float(), mode=mode)

    def _needed(self, said: _Said) -> list[Words]:
        areas = self._areas(said)
        parts = [part for area in areas for part in area.parts]
        adds = any(len(area.said) > 1 for area in areas) or (self.overlap == "add" and len(areas) > 1)
        avoids = adds or any(part.guidance != 1.0 or part.share != 1.0 for part in parts)
        return list(dict.fromkeys([*(part.prompt for part in parts), *(part.negative for part in parts if avoids)]))

    def _areas(self, said: _Said) -> list[_Area]:
        """The ground, and every region."""
        ground = _Area(said.base, said.negative, self.guidance_scale)
        if said.regions and not said.has_base:
            # it follows what is moved away from: no prompt at all
            ground = _Area((Said(said.negative),), said.negative, 1.0)
        areas = [ground]
        for one in said.regions:
            region = self.regions[one.place]
            guidance = self.guidance_scale if region.guidance_scale is None else region.guidance_scale
            # a region that says nothing yet says what the whole picture says
            words = one.said if any(text.strip() for text, _ in one.said) or not said.has_base else said.base
            areas.append(_Area(words, one.negative, guidance, region.strength, region.adapters))
        return areas


def fine_grid(grid: Grid) -> Grid:
    """(height, width) at which it is decided who rules where, for latents of (height, width)."""
    return FINENESS * grid[0], FINENESS * grid[1]


class _RegionSaid(NamedTuple):
    """What a region says at a step. `place` is its place among the composition's."""

    place: int
    said: tuple[Said, ...]
    negative: str


class _Said(NamedTuple):
    """All that is said at a step."""

    base: tuple[Said, ...]
    negative: str
    regions: tuple[_RegionSaid, ...]

    @property
    def has_base(self) -> bool:
        """Whether the whole picture follows anything."""
        return any(one.text.strip() for one in self.base)


class _Area(NamedTuple):
    """What is followed somewhere, what is moved away from, how strongly, and with which adapters."""

    said: tuple[Said, ...]
    negative: str
    guidance: float
    strength: float = 1.0
    adapters: Worn = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """One for each of the prompts that are composed: estimates are added as strongly as their prompts weigh (Liu 2022)."""
        negative = Words(self.negative, self.adapters)
        return tuple(
            Part(Words(one.text, self.adapters), negative, self.guidance, self.strength * one.weight) for one in self.said
        )


def _joined(common: str, prompt: str) -> str:
    """The common prompt before a region's own."""
    return ", ".join(text for text in (common.strip(), prompt) if text)
