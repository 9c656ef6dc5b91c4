"""DDPM: ancestral sampling, the reverse process as it was first written down (Ho 2020, algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, check_clip, clipped, denoise_at, step_noise
from ildm.sampler.state import Denoise, SamplerState

Variance = Literal["fixed_small", "fixed_large"]


@dataclass(frozen=True)
class DDPM(Sampler):
    """Draw from the posterior q(noised_s | noised_t, data) at the data estimate (Ho 2020, eq. 6 and 7), for any path.

    Args:
        variance: "fixed_small" is the posterior's own, right for data that are one point; "fixed_large" the forward step's, right
            for data that are unit normal (Ho 2020, sec. 3.2). The first makes this the same as DDIM with eta = 1.
        clip: what data estimates are held within, +-; None = nothing.
    """

    manner: ClassVar[Manner] = "ddpm"

    variance: Variance = "fixed_small"
    clip: float | None = None

    def __post_init__(self) -> None:
        check_clip(self.clip)
        if self.variance not in ("fixed_small", "fixed_large"):
            raise ConfigError(f"DDPM's variance is 'fixed_small' or 'fixed_large', but {self.variance!r} was given.")

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, the posterior's mean, and its noise except on the way to clean data."""
        data = clipped(denoise_at(denoise, state.latent, move.t), self.clip)
        scale = move.alpha_t / move.alpha_s
        forward_variance = max(0.0, move.sigma_t**2 - (scale * move.sigma_s) ** 2)
        by_latent = scale * (move.sigma_s / move.sigma_t) ** 2
        by_data = move.alpha_s * forward_variance / move.sigma_t**2
        mean = by_latent * state.latent + by_data * data
        if move.sigma_s == 0.0:
            return mean, data, ()
        shrunk = move.sigma_s / move.sigma_t if self.variance == "fixed_small" else 1.0
        return mean + shrunk * forward_variance**0.5 * step_noise(state), data, ()
