"""Guidance: denoisers made from denoisers."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning, Denoiser, Latent, Times


@dataclass(frozen=True)
class Guided:
    """Classifier-free guidance (Ho & Salimans 2022) within an interval of times (Kynkaanniemi 2024).

    `data = negative + scale * (positive - negative)`; both halves go through the network as one batch.

    Args:
        denoiser: estimates the data under any conditioning.
        negative: what to move away from; one sample, or as many as will be denoised.
        scale: 1 follows the conditioning as it is; higher exaggerates it.
        interval: (low, high) times within which guidance acts; outside, the conditioning alone decides.
    """

    denoiser: Denoiser
    negative: Conditioning
    scale: float
    interval: tuple[float, float] = (0.0, 1.0)
    _joined: list[tuple[Conditioning, Conditioning]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        low, high = self.interval
        if not 0.0 <= low <= high <= 1.0:
            raise ConfigError(f"A guidance interval is two rising times in [0, 1], but {self.interval} was given.")

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """The guided data estimate."""
        low, high = self.interval
        acts = bool(((t >= low) & (t <= high)).any())
        if self.scale == 1.0 or not acts:
            return self.denoiser(noised, t, conditioning)
        both = self._join(conditioning, noised.shape[0])
        positive, negative = self.denoiser(torch.cat([noised, noised]), torch.cat([t, t]), both).chunk(2)
        return torch.lerp(negative, positive, self.scale)

    def _join(self, conditioning: Conditioning, batch: int) -> Conditioning:
        # the same value step after step lets the network keep the context's keys and values
        if not self._joined or self._joined[0][0] is not conditioning:
            self._joined[:] = [(conditioning, Conditioning.cat([conditioning, self._negative_for(batch)]))]
        return self._joined[0][1]

    def _negative_for(self, batch: int) -> Conditioning:
        if self.negative.batch == batch:
            return self.negative
        return self.negative.map(lambda x: x.expand(batch, *x.shape[1:]))
