"""Heun: second order, two evaluations a step (Karras 2022, algorithm 1 without churn)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, check_clip, clipped, denoise_at
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class Heun(Sampler):
    """The trapezoid rule, in the frame that the path is straight in.

    On variance preserving paths that is Karras' own, noised / alpha over sigma / alpha, but for a step from alpha = 0, where it has
    no numbers; elsewhere `d noised = data d alpha + noise d sigma`, which on the straight line is Heun's rule on the velocity. The
    last step, to sigma = 0, is first order: nothing can be estimated there.

    Args:
        clip: what data estimates are held within, +-; None = nothing.
    """

    manner: ClassVar[Manner] = "euler"
    evaluations_per_step: ClassVar[int] = 2

    clip: float | None = None

    def __post_init__(self) -> None:
        check_clip(self.clip)

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """A first-order try, then the average of both ends."""
        data = clipped(denoise_at(denoise, state.latent, move.t), self.clip)
        noise = move.noise_estimate(state.latent, data)
        tried = move.first_order(data, noise)
        if move.sigma_s == 0.0:
            return tried, data, ()
        data_there = clipped(denoise_at(denoise, tried, move.s), self.clip)
        noise_there = (tried - move.alpha_s * data_there) / move.sigma_s
        if move.variance_preserving and move.alpha_t > 0.0:
            kept = move.alpha_s / move.alpha_t
            return kept * state.latent + 0.5 * (move.sigma_s - kept * move.sigma_t) * (noise + noise_there), data, ()
        rise, fall = move.alpha_s - move.alpha_t, move.sigma_s - move.sigma_t
        latent = state.latent + 0.5 * rise * (data + data_there) + 0.5 * fall * (noise + noise_there)
        return latent, data, ()
