"""The coordinates a denoiser works in: scale, shift, channels and stride, in one place and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.shapes import check_size
from ildm.core.types import Latent


@dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """How the autoencoder's raw latents become the unit-variance latents that diffusion sees.

    `normalised = (raw - shift) * scale`, per channel. A single published factor (Stable Diffusion) is a scale repeated over
    the channels with zero shift.

    Args:
        channels: of the latent grid.
        stride: image pixels per latent cell and side (f in the paper).
        scale: one factor per channel.
        shift: one offset per channel, in raw units.
    """

    channels: int
    stride: int
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.scale) != self.channels or len(self.shift) != self.channels:
            raise ConfigError(
                f"A latent space of {self.channels} channels needs as many scales and shifts, "
                f"but {len(self.scale)} and {len(self.shift)} were given."
            )

    @classmethod
    def identity(cls, channels: int, stride: int) -> LatentSpace:
        """Raw latents as they are, before any statistics are known."""
        return cls(channels=channels, stride=stride, scale=(1.0,) * channels, shift=(0.0,) * channels)

    @classmethod
    def fitted(cls, raw: Latent, stride: int) -> LatentSpace:
        """Zero mean and unit variance per channel over a sample of raw latents (batch, channels, height, width)."""
        values = raw.double()
        shift = values.mean(dim=(0, 2, 3))
        deviation = values.std(dim=(0, 2, 3)).clamp_min(1e-6)
        return cls(channels=raw.shape[1], stride=stride, scale=tuple((1 / deviation).tolist()), shift=tuple(shift.tolist()))

    def normalise(self, raw: Latent) -> Latent:
        """Raw latents to unit-variance ones."""
        return (raw - self._column(self.shift, raw)) * self._column(self.scale, raw)

    def denormalise(self, latent: Latent) -> Latent:
        """The inverse of `normalise`."""
        return latent / self._column(self.scale, latent) + self._column(self.shift, latent)

    def grid(self, width: int, height: int) -> tuple[int, int, int]:
        """The latent shape (channels, height, width) of an image size in pixels.

        Raises:
            ShapeError: when a side is not a positive multiple of the stride.
        """
        check_size(width, height, self.stride)
        return self.channels, height // self.stride, width // self.stride

    def _column(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, device=like.device, dtype=like.dtype).reshape(1, -1, 1, 1)
