"""The graph of a first stage, as a value."""

from __future__ import annotations

from dataclasses import dataclass

from ildm.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """The graph of a first stage.

    Args:
        channels: features per level, from the image's side to the latent's. Each level but the first halves the grid.
        num_res_blocks: per encoder level; the decoder has one more, as in the paper.
        decoder_res_blocks: per decoder level, from the image's side to the latent's, where it is to have others. A decoder can be made
            deeper later on, see `ildm.autoencoder.deepening`.
        attention_levels: indices of levels whose residual blocks are followed by self-attention.
        middle_attention: self-attention between the two middle blocks.
        latent_channels: channels of the latent.
        fold: side of the pixel square that a compact stem folds into channels (1 = none). Full-resolution convolutions
            dominate a small autoencoder; folding 2x2 pixels saves most of them.
        feature_channels: channels between coder and bottleneck; None = `latent_channels`.
        codebook_size: entries of a vector-quantised bottleneck; None = the KL one.
    """

    channels: tuple[int, ...] = (128, 256, 512, 512)
    num_res_blocks: int = 2
    decoder_res_blocks: tuple[int, ...] | None = None
    attention_levels: tuple[int, ...] = ()
    middle_attention: bool = True
    latent_channels: int = 4
    fold: int = 1
    feature_channels: int | None = None
    codebook_size: int | None = None
    image_channels: int = 3

    def __post_init__(self) -> None:
        if not self.channels or min(*self.channels, self.num_res_blocks, self.latent_channels, self.fold) < 1:
            raise ConfigError(
                "autoencoder.channels names one level or more, and channels, num_res_blocks, latent_channels and fold are at least 1, "
                f"but {self.channels}, {self.num_res_blocks}, {self.latent_channels} and {self.fold} were given."
            )
        if self.decoder_res_blocks is not None and (
            len(self.decoder_res_blocks) != len(self.channels) or min(self.decoder_res_blocks) < 1
        ):
            raise ConfigError(
                "autoencoder.decoder_res_blocks names at least 1 block for each of autoencoder.channels, "
                f"but {list(self.decoder_res_blocks)} was given for {len(self.channels)} levels."
            )
        if self.codebook_size is not None and self.codebook_size < 2:
            raise ConfigError(f"A codebook has 2 entries or more, but autoencoder.codebook_size is {self.codebook_size}.")
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
    def decoder_depths(self) -> tuple[int, ...]:
        """Residual blocks per decoder level, from the image's side to the latent's."""
        return self.decoder_res_blocks or (self.num_res_blocks + 1,) * len(self.channels)

    @property
    def encoder_features(self) -> int:
        """Channels that the encoder gives: a Gaussian's mean and variance, or the latent's features alone."""
        return self.bottleneck_features * (2 if self.codebook_size is None else 1)

    @property
    def bottleneck_features(self) -> int:
        """Channels between coder and bottleneck."""
        return self.feature_channels or self.latent_channels
