"""DPM-Solver++ (2M): second order from one evaluation a step (Lu 2022b, algorithm 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ildm.core.types import Latent
from ildm.sampler.base import Move, Sampler, denoise_at
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class DPMpp2M(Sampler):
    """Exponential integrator in the log-SNR, extrapolating the data estimate from the last two steps.

    First order where the log-SNR jumps infinitely: from alpha = 0, to sigma = 0, and on the first step. The history holds the
    former data estimate and the (alpha, sigma) it was made at, so a schedule may change between steps.
    """

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation; Lu 2022b, eq. 19 written in (alpha, sigma), finite at alpha = 0."""
        data = denoise_at(denoise, state.latent, move.t)
        extrapolated = self._extrapolate(state, move, data)
        ratio = move.sigma_s / move.sigma_t
        latent = ratio * state.latent + (move.alpha_s - ratio * move.alpha_t) * extrapolated
        level = torch.tensor([move.alpha_t, move.sigma_t], dtype=torch.float64)
        return latent, data, (data, level)

    def _extrapolate(self, state: SamplerState, move: Move, data: Latent) -> Latent:
        if not state.history or move.sigma_s == 0.0 or move.alpha_t == 0.0:
            return data
        former, level = state.history
        alpha_former, sigma_former = float(level[0]), float(level[1])
        if alpha_former == 0.0:
            return data
        here = math.log(move.alpha_t / move.sigma_t)
        step = math.log(move.alpha_s / move.sigma_s) - here
        former_step = here - math.log(alpha_former / sigma_former)
        weight = step / (2.0 * former_step)
        return (1.0 + weight) * data - weight * former
