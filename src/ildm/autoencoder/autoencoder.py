"""Encoder, bottleneck and decoder as one module: images to latents and back."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ildm.autoencoder.bottleneck import Gaussian, KLBottleneck
from ildm.autoencoder.coder import Decoder, Encoder
from ildm.autoencoder.latent_space import LatentSpace
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.shapes import check_size
from ildm.core.types import Image, Latent


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """The graph of a first stage.

    Args:
        channels: features per level, from the image's side to the latent's. Each level but the first halves the grid.
        num_res_blocks: per encoder level; the decoder has one more, as in the paper.
        attention_levels: indices of levels whose residual blocks are followed by self-attention.
        middle_attention: self-attention between the two middle blocks.
        latent_channels: channels of the latent.
        fold: side of the pixel square that a compact stem folds into channels (1 = none). Full-resolution convolutions
            dominate a small autoencoder; folding 2x2 pixels saves most of them.
        feature_channels: channels between coder and bottleneck; None = `latent_channels`.
    """

    channels: tuple[int, ...] = (128, 256, 512, 512)
    num_res_blocks: int = 2
    attention_levels: tuple[int, ...] = ()
    middle_attention: bool = True
    latent_channels: int = 4
    fold: int = 1
    feature_channels: int | None = None
    image_channels: int = 3

    def __post_init__(self) -> None:
        if self.stride not in (1, 2, 4, 8, 16, 32):
            raise ConfigError(
                f"The autoencoder's stride is fold x 2^(levels - 1) = {self.stride}, but it must be 1, 2, 4, 8, 16 or 32: "
                "change autoencoder.fold or the number of autoencoder.channels."
            )
        if any(level not in range(len(self.channels)) for level in self.attention_levels):
            raise ConfigError(
                f"autoencoder.attention_levels names levels {self.attention_levels}, "
                f"but there are levels 0 to {len(self.channels) - 1}."
            )

    @property
    def stride(self) -> int:
        """Image pixels per latent cell and side, f in the paper."""
        return self.fold * 2 ** (len(self.channels) - 1)

    @property
    def bottleneck_features(self) -> int:
        """Channels between coder and bottleneck."""
        return self.feature_channels or self.latent_channels


class Autoencoder(nn.Module):
    """A first stage (Rombach 2022, section 3.1).

    `latent_space` is a value beside the weights: it is fitted once after training and saved with them.
    """

    def __init__(self, config: AutoencoderConfig, latent_space: LatentSpace | None = None) -> None:
        super().__init__()
        self.config = config
        self.latent_space = latent_space or LatentSpace.identity(config.latent_channels, config.stride)
        self.encoder = Encoder(
            channels=config.channels,
            num_res_blocks=config.num_res_blocks,
            attention_levels=config.attention_levels,
            middle_attention=config.middle_attention,
            in_channels=config.image_channels,
            out_channels=2 * config.bottleneck_features,
            fold=config.fold,
        )
        self.bottleneck = KLBottleneck(config.bottleneck_features, config.latent_channels)
        self.decoder = Decoder(
            channels=config.channels,
            num_res_blocks=config.num_res_blocks,
            attention_levels=config.attention_levels,
            middle_attention=config.middle_attention,
            in_channels=config.bottleneck_features,
            out_channels=config.image_channels,
            fold=config.fold,
        )

    def posterior(self, images: Image) -> Gaussian:
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

    @property
    def last_layer(self) -> Float[Tensor, "..."]:
        """The weight at which the adaptive discriminator weight compares gradients."""
        return self.decoder.conv_out.weight

    @torch.no_grad()
    def fit_latent_space(self, batches: list[Image]) -> None:
        """Measure the latents' statistics per channel and normalise by them from now on."""
        raw = torch.cat([self.posterior(images).mode for images in batches])
        self.latent_space = LatentSpace.fitted(raw, self.config.stride)
