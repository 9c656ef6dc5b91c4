"""From data to noise: `noised = alpha(t) * data + sigma(t) * noise`, t = 0 data, t = 1 noise.

Two families: variance preserving (Ho 2020; Rombach 2022, eq. 1) and linear interpolation (Liu 2022, rectified flow).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.shapes import per_sample
from ildm.core.types import Latent, Times

Betas = Literal["linear", "scaled_linear", "cosine"]


@runtime_checkable
class Path(Protocol):
    """What a path is to everybody else. Coefficients are computed in float64 and returned so."""

    kind: ClassVar[str]
    """The path's name in a manifest."""

    def alpha(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The data's share at times in [0, 1], falling from 1."""
        ...

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The noise's share at times in [0, 1], rising from 0 to 1."""
        ...

    def time_at(self, ratio: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The time at which sigma / alpha is `ratio`, in [0, infinity]."""
        ...

    def network_time(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The number that a network trained on this path is told, about 0 to 1000."""
        ...


def add_noise(path: Path, data: Latent, noise: Latent, t: Times) -> Latent:
    """The noised latent at times `t` (batch,)."""
    alpha, sigma = path.alpha(t).to(data), path.sigma(t).to(data)
    return per_sample(alpha, data) * data + per_sample(sigma, data) * noise


@dataclass(frozen=True, kw_only=True)
class LinearInterpolation:
    """`alpha = 1 - t, sigma = t` (Liu 2022; Esser 2024)."""

    kind: ClassVar[str] = "linear-interpolation"

    def alpha(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """1 - t."""
        return 1.0 - t.double()

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """t itself."""
        return t.double()

    def time_at(self, ratio: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """ratio / (1 + ratio), and 1 at infinity."""
        ratio = ratio.double()
        return torch.where(torch.isinf(ratio), 1.0, ratio / (1.0 + ratio))

    def network_time(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """1000 t, so that one sinusoidal embedding suits both families."""
        return 1000.0 * t.double()


@dataclass(frozen=True, kw_only=True)
class VariancePreserving:
    """`alpha = sqrt(abar), sigma = sqrt(1 - abar)` over `num_timesteps` discrete betas (Ho 2020, eq. 4).

    Timestep k = 0 .. num_timesteps - 1 of the published models lies at t = (k + 1) / num_timesteps, so that t = 0 is clean data.
    Between timesteps log(sigma / alpha) is interpolated linearly; below the first one the variance is.

    Args:
        betas: "scaled_linear" is linear in sqrt(beta), as in the paper and Stable Diffusion.
        beta_start, beta_end: see `BETA_RANGES` for the published ones; unused by "cosine".
        zero_terminal_snr: rescale so that t = 1 is pure noise (Lin 2024, alg. 1).
    """

    kind: ClassVar[str] = "variance-preserving"

    num_timesteps: int = 1000
    betas: Betas = "scaled_linear"
    beta_start: float = 0.00085
    beta_end: float = 0.012
    zero_terminal_snr: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.beta_start < self.beta_end < 1.0:
            raise ConfigError(f"Betas rise within (0, 1), but {self.beta_start} to {self.beta_end} was given.")
        if self.num_timesteps < 2:
            raise ConfigError(f"A path has at least 2 timesteps, but {self.num_timesteps} was given.")

    @cached_property
    def alphas_cumprod(self) -> Float[Tensor, " timesteps"]:
        """abar at each timestep, float64, falling."""
        abar = torch.cumprod(1.0 - self._beta_values(), dim=0)
        return _rescale_to_zero_terminal_snr(abar) if self.zero_terminal_snr else abar

    def alpha(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """sqrt(abar) at times in [0, 1]."""
        return (1.0 - self._variance(t)).clamp_min(0.0).sqrt()

    def sigma(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """sqrt(1 - abar) at times in [0, 1]."""
        return self._variance(t).sqrt()

    def time_at(self, ratio: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The inverse of `sigma / alpha`; ratios beyond the last timestep's give 1."""
        ratio = ratio.double()
        grid = self._log_ratios.to(ratio.device)
        upper = torch.searchsorted(grid, ratio.log().contiguous()).clamp(1, self.num_timesteps - 1)
        low, high = grid[upper - 1], grid[upper]
        within = torch.where(torch.isinf(high), 0.0, (ratio.log() - low) / (high - low)).clamp(0.0, 1.0)
        index = torch.where(torch.isinf(ratio), float(self.num_timesteps - 1), upper - 1 + within)
        # below the first timestep the variance r^2 / (1 + r^2) grows linearly from t = 0
        first = float(1.0 - self.alphas_cumprod[0])
        below = ratio.square() / (1.0 + ratio.square()) / first - 1.0
        index = torch.where(ratio.log() < grid[0], below, index)
        return (index + 1.0) / self.num_timesteps

    def network_time(self, t: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The timestep index, fractional between timesteps; never below 0."""
        return (t.double() * self.num_timesteps - 1.0).clamp_min(0.0)

    def _beta_values(self) -> Tensor:
        steps = torch.linspace(0.0, 1.0, self.num_timesteps, dtype=torch.float64)
        if self.betas == "linear":
            return self.beta_start + (self.beta_end - self.beta_start) * steps
        if self.betas == "scaled_linear":
            start, end = self.beta_start**0.5, self.beta_end**0.5
            return (start + (end - start) * steps).square()
        return _cosine_betas(self.num_timesteps)

    @cached_property
    def _log_ratios(self) -> Tensor:
        abar = self.alphas_cumprod
        return 0.5 * ((1.0 - abar).log() - abar.log())

    def _variance(self, t: Tensor) -> Tensor:
        t = t.double()
        abar, grid = self.alphas_cumprod.to(t.device), self._log_ratios.to(t.device)
        index = t * self.num_timesteps - 1.0
        low = index.floor().clamp(0, self.num_timesteps - 1).long()
        high = (low + 1).clamp_max(self.num_timesteps - 1)
        within = (index - low).clamp(0.0, 1.0)
        # lerp of two infinities, or of one with weight 0, would be NaN at a zero-SNR end
        log_ratio = torch.where(within == 0.0, grid[low], torch.lerp(grid[low], grid[high], within))
        log_ratio = torch.where(low == high, grid[low], log_ratio)
        variance = torch.sigmoid(2.0 * log_ratio)
        return torch.where(index < 0.0, (1.0 - abar[0]) * (index + 1.0), variance)


BETA_RANGES: dict[str, tuple[float, float]] = {
    "text": (0.00085, 0.012),
    "celebahq": (0.0015, 0.0195),
    "imagenet": (0.0015, 0.0195),
    "churches": (0.0015, 0.0155),
    "super-resolution": (0.0015, 0.0155),
    "layout": (0.0015, 0.0205),
    "inpainting": (0.0015, 0.0205),
    "semantic-map": (0.0015, 0.0205),
}
"""The paper's ranges by model, all with "scaled_linear" (its released configurations)."""

AnyPath = VariancePreserving | LinearInterpolation


def _rescale_to_zero_terminal_snr(abar: Tensor) -> Tensor:
    root = abar.sqrt()
    first, last = root[0].clone(), root[-1].clone()
    return ((root - last) * first / (first - last)).square()


def _cosine_betas(num_timesteps: int) -> Tensor:
    """Nichol & Dhariwal 2021, eq. 17."""
    t = torch.linspace(0.0, 1.0, num_timesteps + 1, dtype=torch.float64)
    abar = torch.cos((t + 0.008) / 1.008 * torch.pi / 2).square()
    return (1.0 - abar[1:] / abar[:-1]).clamp_max(0.999)
