"""Euler with fresh noise at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, ancestral_move, denoise_at
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class EulerAncestral(Sampler):
    """Step below the next noise level, then add noise up to it (Ho 2020's posterior, for any path).

    Args:
        eta: the share of the posterior's noise that is added, in [0, 1].
    """

    manner: ClassVar[Manner] = "euler"

    eta: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.eta <= 1.0:
            raise ConfigError(f"Euler-ancestral's eta lies in [0, 1], but {self.eta} was given.")

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, one first-order move with fresh noise."""
        data = denoise_at(denoise, state.latent, move.t)
        return ancestral_move(state, move, data, self.eta), data, ()
