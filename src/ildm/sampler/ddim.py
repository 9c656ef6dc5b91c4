"""DDIM (Song 2021): deterministic by default, DDPM-like noise with eta = 1."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.sampler.base import Move, Sampler, ancestral_move, check_clip, clipped, denoise_at
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class DDIM(Sampler):
    """Song 2021, eq. 12.

    Args:
        eta: the share of noise that is renewed at each step, in [0, 1]; 0 is deterministic.
        clip: what data estimates are held within, +-; the noise estimates stay. None = nothing.
    """

    eta: float = 0.0
    clip: float | None = None

    def __post_init__(self) -> None:
        check_clip(self.clip)
        if not 0.0 <= self.eta <= 1.0:
            raise ConfigError(f"DDIM's eta lies in [0, 1], but {self.eta} was given.")

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, one first-order move."""
        data = denoise_at(denoise, state.latent, move.t)
        return ancestral_move(state, move, data, self.eta, self.clip), clipped(data, self.clip), ()
