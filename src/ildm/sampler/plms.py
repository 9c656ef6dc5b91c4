"""PLMS: pseudo linear multistep, the released latent diffusion's own fast sampler (Liu 2022)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ildm.core.types import Latent
from ildm.sampler.base import Move, Sampler, denoise_at
from ildm.sampler.state import Denoise, SamplerState

ADAMS_BASHFORTH = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
"""Weights of the noise estimates, newest first, by how many there are."""


@dataclass(frozen=True)
class PLMS(Sampler):
    """Move along a mixture of the last four noise estimates (Liu 2022, sec. 3; its first step is pseudo improved Euler).

    The weights suppose steps of equal length in t; on others, Karras' say, the order falls to one. The first step evaluates
    twice, so a run costs num_steps + 1 evaluations; a run of a single step is Euler's. First order from alpha = 0, where the noise
    estimate alone does not say which data to move to. The history holds up to three former noise estimates.
    """

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation (two on the first step), one move."""
        data = denoise_at(denoise, state.latent, move.t)
        noise = move.noise_estimate(state.latent, data)
        noises = (noise, *state.history)
        alone = not state.history and (move.sigma_s == 0.0 or state.schedule.num_steps == 1)
        if move.alpha_t == 0.0 or alone:
            return move.first_order(data, noise), data, noises[:3]
        if state.history:
            weights = ADAMS_BASHFORTH[len(state.history)]
            mixed = sum((weight * part for weight, part in zip(weights[1:], state.history, strict=True)), weights[0] * noise)
        else:
            tried = move.first_order(data, noise)
            there = denoise_at(denoise, tried, move.s)
            mixed = 0.5 * (noise + (tried - move.alpha_s * there) / move.sigma_s)
        return move.first_order((state.latent - move.sigma_t * mixed) / move.alpha_t, mixed), data, noises[:3]
