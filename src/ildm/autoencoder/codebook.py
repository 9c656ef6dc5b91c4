"""Vector quantisation: a latent becomes the nearest entries of a learned codebook (van den Oord 2017; Rombach 2022, "VQ-reg.")."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ildm.core.types import Latent

COMMITMENT = 0.25


@dataclass(frozen=True)
class Codes:
    """A latent beside the entries nearest to it; a `Posterior` without doubt.

    Its mode is the latent before quantisation: that is what diffusion works on, because quantising is the first part of decoding.

    Args:
        latent: (batch, channels, height, width)
        entries: the same shape; gradients reach the codebook.
        indices: which entries they are, (batch, height, width).
    """

    latent: Latent
    entries: Latent
    indices: Int[Tensor, "batch height width"]

    @property
    def mode(self) -> Latent:
        """The latent before quantisation."""
        return self.latent

    def sample(self, noise: Latent) -> Latent:  # noqa: ARG002
        """The same: there is nothing to draw."""
        return self.latent

    def penalty(self, *, commitment: float = COMMITMENT, moves_entries: bool = True) -> Float[Tensor, " batch"]:
        """Squared distances between latent and entries, summed over the latent.

        One term moves the entries to the latent, and `commitment` times as strong a one the latent to its entries.

        Args:
            moves_entries: without it the codebook gets no gradient, as where running averages move it.
        """
        pull = commitment * (self.latent - self.entries.detach()).square()
        if moves_entries:
            pull = pull + (self.entries - self.latent.detach()).square()
        return pull.sum(dim=(1, 2, 3))


class VQBottleneck(nn.Module):
    """Every cell of a latent is replaced by the nearest of `size` entries, and gradients pass as if it were not.

    Args:
        features: channels of the encoder's output and of the decoder's input.
        channels: of the latent.
        size: of the codebook.
    """

    def __init__(self, features: int, channels: int, size: int) -> None:
        super().__init__()
        self.to_latent = nn.Conv2d(features, channels, 1)
        self.codebook = nn.Embedding(size, channels)
        self.from_latent = nn.Conv2d(channels, features, 1)
        nn.init.uniform_(self.codebook.weight, -1.0 / size, 1.0 / size)

    @property
    def encoding(self) -> nn.Module:
        """What of it makes latents."""
        return self.to_latent

    def posterior(self, features: Float[Tensor, "batch features height width"]) -> Codes:
        """The latent of the encoder's output, and its entries."""
        latent = self.to_latent(features).float()
        indices = self.nearest(latent)
        return Codes(latent, self._entries(indices), indices)

    def nearest(self, latent: Latent) -> Int[Tensor, "batch height width"]:
        """Which entry lies nearest to each cell."""
        with torch.autocast(latent.device.type, enabled=False), torch.no_grad():
            cells, entries = latent.float().movedim(1, -1), self.codebook.weight.float()
            # the cells' own lengths are the same for all entries
            distances = entries.square().sum(dim=1) - 2.0 * cells @ entries.T
        return distances.argmin(dim=-1)

    def forward(self, raw: Latent) -> Float[Tensor, "batch features height width"]:
        """The decoder's input for a latent: of its entries, with the latent's gradient (straight-through)."""
        entries = self._entries(self.nearest(raw)).to(raw.dtype)
        return self.from_latent(raw + (entries - raw).detach())

    def _entries(self, indices: Int[Tensor, "batch height width"]) -> Latent:
        return self.codebook(indices).movedim(-1, 1)
