"""A whole picture in words, and what of it is drawn at each step, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.conditioning.regions import Mode, Overlap, Region, coverage, seed_areas
from ildm.conditioning.wording import Said, said, said_whole
from ildm.core.masks import Grid, mask_on
from ildm.core.randomness import SeedAreas
from ildm.core.types import Worn

KEPT_PLANS = 16


class Words(NamedTuple):
    """What an encoder reads at once: a text, with brackets that weigh words at most, and the adapters that it is read with."""

    text: str
    adapters: Worn = ()


class Part(NamedTuple):
    """One of the prompts that are drawn together at a step.

    Args:
        scale: the guidance that `prompt` is followed with, and `negative` moved away from.
    """

    prompt: Words
    negative: Words
    scale: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is drawn at a step, and where.

    Args:
        parts: the ground first.
        weights: (parts, height, width), see `ildm.denoiser.regional.Parts`; None = there is one part, everywhere.
    """

    parts: tuple[Part, ...]
    weights: Float[Tensor, "parts height width"] | None
    mode: Mode

    @property
    def is_guided(self) -> bool:
        """Whether anything is moved away from."""
        return any(part.scale != 1.0 for part in self.parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Composition:
    """A whole picture in words: its base prompt and its regions. All prompts are in prompt syntax.

    Args:
        prompt: covers the whole picture; while it has no words, what no region covers follows no prompt at all.
        negative_prompt: for everything that has none of its own.
        guidance_scale: for everything that has none of its own.
        regions: the uppermost last.
        common_prompt: said before the prompt of every region.
        overlap, mode: see their types.
    """

    prompt: str = ""
    negative_prompt: str = ""
    guidance_scale: float
    regions: tuple[Region, ...] = ()
    common_prompt: str = ""
    overlap: Overlap = "normalise"
    mode: Mode = "attention"
    _plans: dict[tuple[_Said, Grid], Plan] = field(default_factory=dict, init=False, repr=False)
    _seeded: dict[tuple[tuple[int, ...], Grid], SeedAreas | None] = field(default_factory=dict, init=False, repr=False)

    def at(self, step: int, num_steps: int, size: Grid) -> Plan:
        """What is drawn at step `step`, counted from 0, of `num_steps`. It is the same object as long as nothing changes.

        Args:
            size: (height, width) that masks are brought to.
        """
        key = (self._said(step, num_steps), size)
        if key not in self._plans:
            if len(self._plans) == KEPT_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = self._plan(*key)
        return self._plans[key]

    def words(self, num_steps: int) -> list[Words]:
        """All that must be encoded for a run of `num_steps`, each once, in the order in which it is needed."""
        every = dict.fromkeys(self._said(step, num_steps) for step in range(num_steps))
        return list(dict.fromkeys(one for said in every for one in self._needed(said)))

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
        if not said.regions and len(said.base) == 1:
            return Plan(parts=tuple(areas[0].parts("attention")), weights=None, mode=self.mode)
        if not said.regions:
            # there is nowhere that only one of them would act, so attention has nothing to tell them apart by
            parts = tuple(areas[0].parts("latent"))
            return Plan(parts=parts, weights=torch.ones(len(parts), 1, 1), mode="latent")
        regions = [self.regions[one.place] for one in said.regions]
        masks = torch.stack([mask_on(region.mask, size) for region in regions])
        shares = coverage(masks, self.overlap, [region.base_ratio for region in regions] if said.has_base else ())
        parts = [area.parts(self.mode) for area in areas]
        weights = [share * weight for area, share in zip(areas, shares, strict=True) for weight in area.weights(self.mode)]
        return Plan(parts=tuple(part for several in parts for part in several), weights=torch.stack(weights), mode=self.mode)

    def _needed(self, said: _Said) -> list[Words]:
        parts = [part for area in self._areas(said) for part in area.parts("latent")]
        guided = any(part.scale != 1.0 for part in parts)
        return list(dict.fromkeys([*(part.prompt for part in parts), *(part.negative for part in parts if guided)]))

    def _areas(self, said: _Said) -> list[_Area]:
        """The ground, and every region."""
        ground = _Area(said.base, said.negative, self.guidance_scale)
        if said.regions and not said.has_base:
            # it follows what is moved away from: no prompt at all
            ground = _Area((Said(said.negative),), said.negative, 1.0)
        areas = [ground]
        for one in said.regions:
            region = self.regions[one.place]
            scale = self.guidance_scale if region.guidance_scale is None else region.guidance_scale
            areas.append(_Area(one.said, one.negative, region.strength * scale, region.adapters))
        return areas


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
    scale: float
    adapters: Worn = ()

    def parts(self, mode: Mode) -> list[Part]:
        """One for each of the prompts that are composed: estimates are added as strongly as their prompts weigh (Liu 2022)."""
        several = mode == "latent" and len(self.said) > 1
        return [
            Part(
                Words(one.text, self.adapters),
                Words(self.negative, self.adapters),
                self.scale * (one.weight if several else 1.0),
            )
            for one in self.said
        ]

    def weights(self, mode: Mode) -> list[float]:
        """How much of the area each has: all of it, or where it is attended to, its share. What weighs less than nothing has none."""
        if mode == "latent" or len(self.said) == 1:
            return [1.0] * len(self.said)
        total = sum(max(0.0, one.weight) for one in self.said)
        return [max(0.0, one.weight) / total if total else 1.0 / len(self.said) for one in self.said]


def _joined(common: str, prompt: str) -> str:
    """The common prompt before a region's own."""
    return ", ".join(text for text in (common.strip(), prompt) if text)
