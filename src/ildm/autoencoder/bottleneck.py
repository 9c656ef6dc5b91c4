"""Between encoder and decoder: what keeps the latent space regular.

A bottleneck turns the encoder's output into a posterior over latents and charges for it. KL is here; `ildm.autoencoder.codebook` has
the other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.types import Latent


@runtime_checkable
class Posterior(Protocol):
    """What the encoder believes about a latent."""

    @property
    def mode(self) -> Latent:
        """The most likely raw latent."""
        ...

    def sample(self, noise: Latent) -> Latent:
        """A raw latent drawn with unit normal `noise`."""
        ...

    def penalty(self) -> Float[Tensor, " batch"]:
        """What the bottleneck charges for each sample, in nats."""
        ...


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian posterior (Kingma & Welling 2014).

    Args:
        mean: (batch, channels, height, width)
        log_variance: the same shape, clamped to [-30, 20] where it is made.
    """

    mean: Latent
    log_variance: Latent

    @property
    def mode(self) -> Latent:
        """The mean."""
        return self.mean

    def sample(self, noise: Latent) -> Latent:
        """`mean + deviation * noise`."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def penalty(self) -> Float[Tensor, " batch"]:
        """KL divergence from the unit normal, summed over the latent: (batch,)."""
        terms = self.mean.square() + self.log_variance.exp() - 1.0 - self.log_variance
        return 0.5 * terms.sum(dim=(1, 2, 3))


class KLBottleneck(nn.Module):
    """A slight pull towards the unit normal (Rombach 2022, section 3.1, "KL-reg.").

    Args:
        features: channels of the decoder's input; the encoder gives twice as many.
        channels: of the latent.
    """

    def __init__(self, features: int, channels: int) -> None:
        super().__init__()
        self.to_moments = nn.Conv2d(2 * features, 2 * channels, 1)
        self.from_latent = nn.Conv2d(channels, features, 1)

    @property
    def encoding(self) -> nn.Module:
        """What of it makes latents."""
        return self.to_moments

    def posterior(self, features: Float[Tensor, "batch twice_features height width"]) -> Gaussian:
        """What the encoder's output says about the latent."""
        mean, log_variance = self.to_moments(features).chunk(2, dim=1)
        return Gaussian(mean, log_variance.clamp(-30.0, 20.0))

    def forward(self, raw: Latent) -> Float[Tensor, "batch features height width"]:
        """The decoder's input for a raw latent."""
        return self.from_latent(raw)
