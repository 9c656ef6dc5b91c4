"""LCM: one to eight steps, for models distilled into consistency models (Luo 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.types import Latent
from ildm.diffusion.published import Manner
from ildm.sampler.base import Move, Sampler, check_clip, clipped, denoise_at, step_noise
from ildm.sampler.state import Denoise, SamplerState


@dataclass(frozen=True)
class LCM(Sampler):
    """Jump to the data, then noise them anew to the next level (Luo 2023; Song 2023, algorithm 1).

    A consistency model's answer is `c_skip noised + c_out estimate`, with `c_skip = d^2 / (s^2 + d^2)` and
    `c_out = s / sqrt(s^2 + d^2)` at the scaled timestep s, so that at timestep 0 it is the noised latent itself. A model that was
    not distilled so gives blurred images here. Goes with the schedule spacing "lcm".

    Args:
        timestep_scaling: s per timestep.
        sigma_data: d, the deviation of the data.
        num_timesteps: how many timesteps the model was distilled with; t = 1 is the last, num_timesteps - 1.
        clip: what data estimates are held within, +-; None = nothing.
    """

    manner: ClassVar[Manner] = "lcm"

    timestep_scaling: float = 10.0
    sigma_data: float = 0.5
    num_timesteps: int = 1000
    clip: float | None = None

    def __post_init__(self) -> None:
        check_clip(self.clip)
        if self.timestep_scaling <= 0.0 or self.sigma_data <= 0.0 or self.num_timesteps < 1:
            raise ConfigError(
                "LCM's timestep_scaling, sigma_data and num_timesteps are above 0, but "
                f"{self.timestep_scaling}, {self.sigma_data} and {self.num_timesteps} were given."
            )

    def advance(self, state: SamplerState, move: Move, denoise: Denoise) -> tuple[Latent, Latent, tuple[Tensor, ...]]:
        """One evaluation, one jump; fresh noise unless the next level is clean."""
        scaled = self.timestep_scaling * max(0.0, move.t * self.num_timesteps - 1.0)
        skip = self.sigma_data**2 / (scaled**2 + self.sigma_data**2)
        out = scaled / (scaled**2 + self.sigma_data**2) ** 0.5
        data = out * clipped(denoise_at(denoise, state.latent, move.t), self.clip) + skip * state.latent
        if move.sigma_s == 0.0:
            return move.alpha_s * data, data, ()
        return move.alpha_s * data + move.sigma_s * step_noise(state), data, ()
