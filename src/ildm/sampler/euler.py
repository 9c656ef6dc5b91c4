"""Euler: the first-order solver (Karras 2022, algorithm 1 without churn)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, denoise_at
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class Euler(Sampler):
    """Follow the current estimates in a straight line; on every path the same as DDIM without noise."""

    manner: ClassVar[Manner] = "euler"

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, one first-order move."""
        data = denoise_at(denoise, state.latent, move.t)
        return move.first_order(data, move.noise_estimate(state.latent, data)), data, ()
