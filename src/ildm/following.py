"""From what is asked to what samplers call: one plan, and several pictures drawn side by side, each by a composition of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.conditioning.composition import Composition, Plan, Words, fine_grid
from ildm.conditioning.hint import UNSHOWN, Beside
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.masks import Grid
from ildm.core.randomness import START_STREAM, SeedAreas, sample_noise
from ildm.core.references import References
from ildm.core.types import Conditioning, Latent, Times, Worn
from ildm.denoiser.guidance import GuidedUnder, Projection
from ildm.denoiser.guide import Guide
from ildm.denoiser.regional import Blended, Parts
from ildm.sampler.base import Sampler
from ildm.sampler.state import Denoise, SamplerState

KEPT = 16
"""Plans that are kept ready; alternating prompts come back to theirs."""


@runtime_checkable
class Drawing(Protocol):
    """What of a model it takes to follow something; `ildm.model.Model` is one, and says what each part means."""

    autoencoder: Autoencoder

    @property
    def device(self) -> torch.device: ...

    @property
    def is_told_guidance(self) -> bool: ...

    @property
    def guide(self) -> Guide: ...

    def condition(self, prompts: Sequence[str], size: tuple[int, int] | None = None, adapters: Worn = ()) -> Conditioning: ...


def follow_plan(
    model: Drawing,
    plan: Plan,
    condition: Callable[[Words], Conditioning],
    size: tuple[int, int],
    *,
    beside: Beside = UNSHOWN,
    liked: References | None = None,
    disliked: References | None = None,
    rescale: float | None = None,
    projection: Projection | None = None,
) -> GuidedUnder | Blended:
    """What samplers call to draw one plan: all its prompts, each where it belongs, under guidance.

    Args:
        condition: encodes words for one sample.
        size: (width, height) in pixels.
        beside: what the model is shown, see `ildm.model.Model.beside`.
        liked, disliked: references of what is followed, and of what is moved away from.
        rescale, projection: see `ildm.denoiser.guide.Guide`.

    Raises:
        ConfigError: when the model cannot do what is asked.
    """
    made: dict[tuple[Words, int, int], Conditioning] = {}

    def encoded(words: Words, shown: Conditioning, references: References | None) -> Conditioning:
        key = (words, id(shown), id(references))
        if key not in made:
            made[key] = replace(condition(words).beside(shown), references=references)
        return made[key]

    def followed(words: Words) -> Conditioning:
        return encoded(words, beside.shown, liked)

    # what is not moved away from is not encoded: some models know no unconditional
    avoids = plan.avoids and not (model.is_told_guidance and plan.is_one_prompt)
    parts = Parts(
        positives=tuple(followed(part.prompt) for part in plan.parts),
        negatives=tuple(
            encoded(part.negative, beside.hidden, disliked) if avoids else followed(part.prompt) for part in plan.parts
        ),
        guidances=tuple(part.guidance for part in plan.parts),
        shares=tuple(part.share for part in plan.parts),
        weights=plan.weights,
    )
    grid = model.autoencoder.latent_space.grid(*size)[1:]
    return model.guide.follow(parts, plan.mode, (grid[0], grid[1]), rescale=rescale, projection=projection)


class Following:
    """What a batch of pictures follows, step by step. Prompts are encoded when they are first needed, and once.

    Args:
        compositions: one per picture, all with the same regions; pictures that share one are drawn together.
        size: (width, height) in pixels.
        beside: what the model is shown, a row for each picture.
        rescale, projection: see `ildm.denoiser.guide.Guide`.
    """

    def __init__(
        self,
        model: Drawing,
        compositions: Sequence[Composition],
        size: tuple[int, int],
        *,
        beside: Beside = UNSHOWN,
        rescale: float | None = None,
        projection: Projection | None = None,
    ) -> None:
        self.model = model
        self.compositions = list(compositions)
        self.size = size
        self.beside = beside
        self.rescale, self.projection = rescale, projection
        self._encoded: dict[tuple[Words, ...], Conditioning] = {}
        self._made: dict[tuple[Plan, ...], Denoise] = {}

    def noise(self, seeds: Sequence[int], given: Latent | None = None) -> Latent:
        """What the pictures begin with: (pictures, channels, height, width), unit normal.

        Args:
            seeds: one per picture.
            given: in place of what all seeds begin with, those of regions too.

        Raises:
            ConfigError: when it holds what is no number.
            ShapeError: when it has another shape, or the size cannot be drawn.
        """
        model, shape = self.model, self.model.autoencoder.latent_space.grid(*self.size)
        if given is None:
            return sample_noise(seeds, START_STREAM, shape, areas=self._seed_areas(0), device=model.device)
        if given.shape != (len(seeds), *shape):
            raise ShapeError(f"initial_noise must be {(len(seeds), *shape)} for this call, but {tuple(given.shape)} came.")
        if not bool(given.isfinite().all()):
            raise ConfigError("initial_noise holds values that are not numbers (NaN or infinite): give unit normal noise.")
        return given.to(model.device, torch.float32)

    def step(self, solver: Sampler, state: SamplerState) -> SamplerState:
        """The state of all pictures one step later."""
        state = replace(state, areas=self._seed_areas(state.step))
        return solver.step(state, self.at(state.step, state.schedule.num_steps))

    def at(self, step: int, num_steps: int) -> Denoise:
        """What a sampler calls at step `step`, counted from 0."""
        plans = tuple(one.at(step, num_steps, fine_grid(self._grid)) for one in self.compositions)
        if plans not in self._made:
            if len(self._made) == KEPT:
                del self._made[next(iter(self._made))]
            plain = all(plan.weights is None for plan in plans)
            self._made[plans] = self._in_one(plans) if plain else self._apart(plans)
        return self._made[plans]

    @property
    def _grid(self) -> Grid:
        _, height, width = self.model.autoencoder.latent_space.grid(*self.size)
        return height, width

    def _seed_areas(self, step: int) -> SeedAreas | None:
        # all pictures have the same regions
        return self.compositions[0].seed_areas(step, self._grid)

    def _in_one(self, plans: Sequence[Plan]) -> Denoise:
        """All pictures by one evaluation: each has one prompt."""
        parts = [plan.parts[0] for plan in plans]
        positive = self._encode(part.prompt for part in parts)
        alone = self.model.is_told_guidance or not plans[0].avoids
        # without guidance nothing is moved away from, and some models know no unconditional
        negative = positive if alone else self._encode(part.negative for part in parts)
        positive = positive.beside(self.beside.shown)
        negative = positive if alone else negative.beside(self.beside.hidden)
        guided = self.model.guide.guided(negative, parts[0].guidance, rescale=self.rescale, projection=self.projection)
        return guided.under(positive)

    def _apart(self, plans: Sequence[Plan]) -> Denoise:
        """The pictures that have a plan, and what they are shown, in common by an evaluation of their own."""
        groups: list[list[int]] = []
        for place, plan in enumerate(plans):
            own = (group for group in groups if plans[group[0]] is plan and self.beside.alike(group[0], place))
            group = next(own, None)
            if group is None:
                groups.append([place])
            else:
                group.append(place)
        followed = [(torch.tensor(places), self._follow(plans[places[0]], places[0])) for places in groups]
        if len(followed) == 1:
            return followed[0][1]

        def denoise(noised: Latent, t: Times) -> Latent:
            data = torch.empty_like(noised)
            for rows, follow in followed:
                data[rows] = follow(noised[rows], t[rows])
            return data

        return denoise

    def _follow(self, plan: Plan, place: int) -> Denoise:
        return follow_plan(
            self.model,
            plan,
            lambda words: self._encode([words]),
            self.size,
            beside=self.beside.of(slice(place, place + 1)),
            rescale=self.rescale,
            projection=self.projection,
        )

    def _encode(self, several: Iterable[Words]) -> Conditioning:
        key = tuple(several)
        if key not in self._encoded:
            self._encoded[key] = self.model.condition([words.text for words in key], self.size, key[0].adapters)
        return self._encoded[key]
