"""Encoder, bottleneck and decoder as one module: images to latents and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ildm.autoencoder.bottleneck import Gaussian, KLBottleneck
from ildm.autoencoder.codebook import Codes, VQBottleneck
from ildm.autoencoder.coder import Decoder, Encoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.core.errors import ShapeError
from ildm.core.fingerprint import fingerprint
from ildm.core.shapes import check_size
from ildm.core.types import Image, Latent


class Autoencoder(nn.Module):
    """A first stage (Rombach 2022, section 3.1).

    `latent_space` is a value beside the weights: it is fitted once after training and saved with them.
    """

    def __init__(self, config: AutoencoderConfig, latent_space: LatentSpace | None = None) -> None:
        super().__init__()
        self.config = config
        self.latent_space = latent_space or LatentSpace.identity(config.latent_channels, config.stride)
        self.encoder = Encoder(config)
        features, channels, size = config.bottleneck_features, config.latent_channels, config.codebook_size
        self.bottleneck = KLBottleneck(features, channels) if size is None else VQBottleneck(features, channels, size)
        self.decoder = Decoder(config)

    def posterior(self, images: Image) -> Gaussian | Codes:
        """What the encoder believes about the raw latents of images (batch, 3, height, width) in [-1, 1].

        Raises:
            ShapeError: when a side is not a multiple of the stride.
        """
        height, width = images.shape[-2:]
        check_size(width, height, self.config.stride)
        return self.bottleneck.posterior(self.encoder(images))

    def reconstruct(self, raw: Latent) -> Image:
        """Images for raw latents, unclamped: the path that training takes."""
        return self.decoder(self.bottleneck(raw))

    def encoder_fingerprint(self, *, rounded_to: torch.dtype = torch.float32) -> str:
        """A SHA-256 over what makes latents, whatever decodes them: latents made by another encoder do not fit this first stage.

        Args:
            rounded_to: see `ildm.core.fingerprint`; with a coarse format, copies of one first stage in finer formats are the same.
        """
        return fingerprint(repr(self.latent_space), self.encoder, self.bottleneck.encoding, rounded_to=rounded_to)

    def fingerprint(self, *, rounded_to: torch.dtype = torch.float32) -> str:
        """A SHA-256 over all weights and the latent space.

        Args:
            rounded_to: see `ildm.core.fingerprint`; with a coarse format, copies of one first stage in finer formats are the same.
        """
        return fingerprint(repr(self.latent_space), self, rounded_to=rounded_to)

    def encode(self, images: Image) -> Latent:
        """Normalised latents (batch, channels, height / stride, width / stride) of images in [-1, 1]."""
        return self.latent_space.normalise(self.posterior(images).mode)

    def decode(self, latents: Latent) -> Image:
        """Images in [-1, 1] (batch, 3, height, width) of normalised latents.

        Raises:
            ShapeError: when the latents have another number of channels.
        """
        if latents.shape[1] != self.latent_space.channels:
            raise ShapeError(f"Latents of {self.latent_space.channels} channels are decoded here, but {latents.shape[1]} came.")
        return self.reconstruct(self.latent_space.denormalise(latents)).clamp(-1.0, 1.0)

    def decoding_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The named weights that latents pass on their way to images."""
        return (
            (name, one)
            for name, one in self.named_parameters()
            if name.startswith(("decoder.", "bottleneck.from_latent.", "bottleneck.codebook."))
        )

    @property
    def last_layer(self) -> Float[Tensor, "..."]:
        """The weight at which the adaptive discriminator weight compares gradients."""
        return self.decoder.conv_out.weight

    @torch.no_grad()
    def fit_latent_space(self, batches: list[Image], gather: Callable[[Tensor], Tensor] | None = None) -> None:
        """Measure the latents' statistics per channel and normalise by them from now on.

        Args:
            gather: from latents to those of all processes that measure together; None = one measures alone.
        """
        raw = torch.cat([self.posterior(images).mode for images in batches])
        self.latent_space = LatentSpace.fitted(raw if gather is None else gather(raw), self.config.stride)
