"""What every solver has in common: the start, the time of a step, and the first-order move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ildm.core.errors import ConfigError, ShapeError
from ildm.core.randomness import sample_noise, step_stream
from ildm.core.seeds import check_seed
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.diffusion.schedule import Schedule
from ildm.sampler.state import Denoise, Recalled, Remembering, SamplerState


@dataclass(frozen=True)
class Move:
    """The coefficients of one step, from (alpha_t, sigma_t) to (alpha_s, sigma_s), as plain numbers."""

    t: float
    alpha_t: float
    sigma_t: float
    s: float
    alpha_s: float
    sigma_s: float

    @property
    def variance_preserving(self) -> bool:
        """Whether both ends lie on a variance preserving path: alpha^2 + sigma^2 = 1."""
        ends = ((self.alpha_t, self.sigma_t), (self.alpha_s, self.sigma_s))
        return all(abs(alpha**2 + sigma**2 - 1.0) < 1e-9 for alpha, sigma in ends)

    def first_order(self, data: Latent, noise: Latent) -> Latent:
        """Follow constant estimates to the next time (Song 2021, eq. 12 with eta = 0); finite on every path, even at alpha = 0."""
        return self.alpha_s * data + self.sigma_s * noise

    def noise_estimate(self, latent: Latent, data: Latent) -> Latent:
        """The noise in `latent` when `data` is what it hides."""
        return (latent - self.alpha_t * data) / self.sigma_t


class Sampler(ABC):
    """A solver of the reverse process. It holds settings only; all that changes is in the state.

    `manner` says like whose its schedules are laid out where a published model prescribes that.
    """

    evaluations_per_step: ClassVar[int] = 1
    manner: ClassVar[Manner] = "ddim"

    def init(self, noise: Latent, schedule: Schedule, seeds: Sequence[int], *, start: int = 0) -> SamplerState:
        """The state before the first step.

        Args:
            noise: (batch, channels, height, width), unit normal; scaled here to the deviation that the schedule starts with.
            seeds: one per sample.
            start: the step to begin at, for runs that begin with a noised image: then `noise` is that image, taken as it is.

        Raises:
            ShapeError: when there are not as many seeds as samples.
            ConfigError: when `start` lies outside the schedule.
        """
        if len(seeds) != noise.shape[0]:
            raise ShapeError(f"One seed per sample is needed: {noise.shape[0]} samples, but {len(seeds)} seeds came.")
        if not 0 <= start < schedule.num_steps:
            raise ConfigError(f"A run of {schedule.num_steps} steps starts at step 0 to {schedule.num_steps - 1}, not {start}.")
        latent = noise * schedule.start_deviation if start == 0 else noise
        return SamplerState(latent, start, schedule, tuple(check_seed(seed) for seed in seeds))

    def step(self, state: SamplerState, denoise: Denoise) -> SamplerState:
        """The state one step later; the given state stays as it is.

        The solver may differ from that of the step before, whose history then is of no use.

        Args:
            denoise: plain, or `Remembering`: then its memory comes from the state and goes into the next one.

        Raises:
            ConfigError: when the run is over.
        """
        if state.done:
            raise ConfigError(f"All {state.schedule.num_steps} steps of this run are done: rewind it or start another.")
        solver = type(self).__name__
        if state.solver != solver:
            state = replace(state, history=(), solver=solver)
        move = Move(*state.schedule.at(state.step), *state.schedule.at(state.step + 1))
        recalled = Recalled(denoise, state.memory) if isinstance(denoise, Remembering) else None
        latent, estimate, history = self.advance(state, move, recalled or denoise)
        memory = recalled.memory if recalled else ()
        return replace(state, latent=latent, step=state.step + 1, estimate=estimate, history=history, memory=memory)

    @abstractmethod
    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """The solver itself: (next latent, data estimate, next history)."""


def denoise_at(denoise: Denoise, latent: Latent, t: float) -> Latent:
    """The data estimate when the whole batch stands at time `t`."""
    return denoise(latent, torch.full((latent.shape[0],), t, dtype=torch.float64))


def clipped(data: Latent, limit: float | None) -> Latent:
    """A data estimate held within +-`limit`, as published models in pixels or bounded latents are sampled; None = as it is."""
    return data if limit is None else data.clamp(-limit, limit)


def check_clip(limit: float | None) -> None:
    """Check that estimates can be held within +-`limit`.

    Raises:
        ConfigError: when they cannot.
    """
    if limit is not None and not limit > 0.0:
        raise ConfigError(f"Data estimates are clipped to a range above 0, but clip={limit} was given.")


def step_noise(state: SamplerState) -> Latent:
    """The unit normal noise that belongs to the coming step of each sample."""
    latent = state.latent
    return sample_noise(
        state.seeds, step_stream(state.step), latent.shape[1:], areas=state.areas, device=latent.device, dtype=latent.dtype
    )


def ancestral_move(state: SamplerState, move: Move, data: Latent, eta: float, clip: float | None = None) -> Latent:
    """The first-order move with part of the noise renewed.

    The share that is new has deviation `eta * sigma_s * sqrt(1 - (sigma_s alpha_t / (sigma_t alpha_s))^2)` (Song 2021, eq. 16, for
    any path); old and new together keep the level sigma_s. Nothing is drawn where nothing is added. `clip` changes the data alone:
    the noise estimate stays that of the data as they were estimated.
    """
    noise, data = move.noise_estimate(state.latent, data), clipped(data, clip)
    if eta == 0.0 or move.sigma_s == 0.0:
        return move.first_order(data, noise)
    kept_ratio = (move.sigma_s * move.alpha_t) / (move.sigma_t * move.alpha_s)
    fresh = eta * move.sigma_s * max(0.0, 1.0 - kept_ratio**2) ** 0.5
    kept = max(0.0, move.sigma_s**2 - fresh**2) ** 0.5
    return move.alpha_s * data + kept * noise + fresh * step_noise(state)
