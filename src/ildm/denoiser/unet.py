"""The time-conditional U-Net (Rombach 2022, section 3.2): a noised latent, its time and a conditioning in, a prediction out.

One configuration space holds the LDM zoo and Stable Diffusion 1, 2 and XL. Names of parameters stay close to diffusers'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning
from ildm.denoiser.attention import Attended, CrossAttention, Grid, read_context
from ildm.denoiser.blocks import Downsample, EmbeddingMLP, Resample, ResBlock, Upsample, sinusoidal, start_at_zero
from ildm.denoiser.inputs import check_inputs
from ildm.denoiser.levels import DownBlock, MidBlock, UpBlock
from ildm.denoiser.transformer import AttentionBlock, Transformer


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The graph of a U-Net.

    Args:
        in_channels: of the noised latent.
        out_channels: of the prediction.
        concat_channels: of what is concatenated to the latent (`Conditioning.concat`).
        channels: per level, finest first; each level has half the resolution of the one before.
        res_blocks: per level on the way down; the way up has one more.
        depths: transformer blocks after each residual block, per level; 0 = none.
        mid_depth: transformer blocks in the middle; 0 = none.
        attention: "transformer" (self-attention, cross-attention, feed-forward) or "plain" (one self-attention, where the
            depth is 1), the unconditional LDMs' kind.
        head_width: channels per head, or
        heads: heads per level; exactly one of the two is given. The middle has the heads of the last level.
        context_width: of the tokens cross-attention reads; None = transformers without cross-attention.
        linear_projection: transformers project in and out by linear layers instead of 1x1 convolutions.
        pooled_width: of `Conditioning.pooled`; None = not taken.
        labels: number of classes of `Conditioning.label`; None = not taken.
        scale_shift_norm: the time embedding scales and shifts the second norm instead of being added.
        resample: halve and double the resolution by a convolution or by residual blocks (`resblock_updown`).
        time_channels: of the sinusoidal embedding; None = channels[0].
        time_width: of the time embedding; None = 4 * channels[0].
        cosine_first: cosines before sines in the sinusoidal embedding, as in every LDM and Stable Diffusion checkpoint.
        norm_groups, norm_eps: of the group norms.
        qk_norm: normalise queries and keys per head.
        dropout: probability, inside residual blocks.
    """

    in_channels: int = 4
    out_channels: int = 4
    concat_channels: int = 0
    channels: tuple[int, ...] = (128, 256, 384)
    res_blocks: tuple[int, ...] = (2, 2, 2)
    depths: tuple[int, ...] = (1, 1, 1)
    mid_depth: int = 1
    attention: Literal["transformer", "plain"] = "transformer"
    head_width: int | None = None
    heads: tuple[int, ...] | None = None
    context_width: int | None = None
    linear_projection: bool = False
    pooled_width: int | None = None
    labels: int | None = None
    scale_shift_norm: bool = False
    resample: Literal["convolution", "residual"] = "convolution"
    time_channels: int | None = None
    time_width: int | None = None
    cosine_first: bool = True
    norm_groups: int = 32
    norm_eps: float = 1e-5
    qk_norm: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        levels = len(self.channels)
        for name in ("res_blocks", "depths", "heads"):
            values = getattr(self, name)
            if values is not None and len(values) != levels:
                raise ConfigError(
                    f"A U-Net of {levels} levels (channels {self.channels}) needs {levels} values of {name}, "
                    f"but {values} was given."
                )
        if (self.head_width is None) == (self.heads is None):
            raise ConfigError("A U-Net needs exactly one of head_width (channels per head) and heads (heads per level).")
        self._check_channels()
        if self.attention == "plain" and max(*self.depths, self.mid_depth) > 1:
            raise ConfigError(
                f"Plain attention has a depth of 0 or 1, but depths {self.depths} and {self.mid_depth} were given."
            )
        if self.attention == "plain" and self.context_width is not None:
            raise ConfigError("Plain attention reads no context: leave context_width out, or choose attention=transformer.")

    def _check_channels(self) -> None:
        for level, channels in enumerate(self.channels):
            if channels % self.norm_groups:
                raise ConfigError(
                    f"Level {level} has {channels} channels, which do not split into {self.norm_groups} norm groups: "
                    "choose a multiple, or set norm_groups."
                )
            if self.has_attention(level) and channels % self.heads_at(level):
                raise ConfigError(
                    f"Level {level} has {channels} channels, which do not split into {self.heads_at(level)} heads."
                )

    @property
    def levels(self) -> int:
        return len(self.channels)

    def has_attention(self, level: int) -> bool:
        """Whether `level` has attention, on the way or (the last one) in the middle."""
        return self.depths[level] > 0 or (level == self.levels - 1 and self.mid_depth > 0)

    def heads_at(self, level: int) -> int:
        """Attention heads at `level`."""
        if self.heads is not None:
            return self.heads[level]
        assert self.head_width is not None
        if self.channels[level] % self.head_width:
            raise ConfigError(
                f"Level {level} has {self.channels[level]} channels, which do not split into heads of {self.head_width}."
            )
        return self.channels[level] // self.head_width


class UNet(nn.Module):
    """The network a `UNetConfig` describes."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.time_channels = config.time_channels or channels[0]
        self.time_width = config.time_width or 4 * channels[0]

        self.conv_in = nn.Conv2d(config.in_channels + config.concat_channels, channels[0], 3, padding=1)
        self.time_embedding = EmbeddingMLP(self.time_channels, self.time_width)
        self.class_embedding = None if config.labels is None else nn.Embedding(config.labels, self.time_width)
        self.add_embedding = None if config.pooled_width is None else EmbeddingMLP(config.pooled_width, self.time_width)

        skips = [channels[0]]
        self.down_blocks = nn.ModuleList(self._down(level, skips) for level in range(config.levels))
        last = config.levels - 1
        self.mid_block = MidBlock(
            [self._res_block(channels[last], channels[last]) for _ in range(2)], self._attentions(last, config.mid_depth, 1)
        )
        self.up_blocks = nn.ModuleList(self._up(level, skips) for level in reversed(range(config.levels)))
        self.conv_norm_out = nn.GroupNorm(config.norm_groups, channels[0], config.norm_eps)
        self.conv_out = nn.Conv2d(channels[0], config.out_channels, 3, padding=1)
        start_at_zero(self.conv_out)
        for layer, attention in enumerate(self.cross_attentions()):
            attention.layer = layer

    def forward(
        self,
        noised: Float[Tensor, "batch in_channels height width"],
        timestep: Float[Tensor, " batch"],
        conditioning: Conditioning,
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Args:
            noised: (batch, in_channels, height, width), both sides divisible by 2 ** (levels - 1).
            timestep: (batch,), on the network's own scale (0..1000 for Stable Diffusion), fractions allowed.
            conditioning: carries exactly what the configuration takes.

        Raises:
            ShapeError: when the latent or the conditioning does not fit the configuration.
        """
        check_inputs(self.config, noised, timestep, conditioning)
        embedding = self.embed(timestep, conditioning, noised.dtype)  # (B, time_width)
        attended = self.attend(conditioning, (noised.shape[2], noised.shape[3]))
        return self.predict(join(noised, conditioning), embedding, attended)

    def embed(self, timestep: Tensor, conditioning: Conditioning, dtype: torch.dtype) -> Float[Tensor, "batch time_width"]:
        """The time with the label and the pooled vector, through the SiLU that every residual block would apply."""
        waves = sinusoidal(timestep, self.time_channels, cosine_first=self.config.cosine_first)  # (B, time_channels)
        embedding = self.time_embedding(waves.to(dtype))  # (B, time_width)
        if self.class_embedding is not None:
            embedding = embedding + self.class_embedding(conditioning.label)
        if self.add_embedding is not None:
            assert conditioning.pooled is not None
            embedding = embedding + self.add_embedding(conditioning.pooled)
        return F.silu(embedding)

    def attend(self, conditioning: Conditioning, size: Grid) -> Attended:
        """What the cross-attentions read, for latents of this size: it does not depend on the latent or its time."""
        return read_context(
            self.cross_attentions(),
            self.grids(size),
            context=conditioning.context,
            context_mask=conditioning.context_mask,
            regions=conditioning.regions,
        )

    def predict(self, noised: Tensor, embedding: Tensor, attended: Attended) -> Tensor:
        """The network between its inputs, made and joined, and its prediction. Nothing is checked."""
        x = self.conv_in(noised)  # (B, C_0, h, w)

        skips = [x]
        for block in self.down_blocks:
            x, made = block(x, embedding, attended)  # (B, C_level, h / 2^level, w / 2^level)
            skips += made
        x = self.mid_block(x, embedding, attended)  # (B, C_last, h / 2^last, w / 2^last)
        for block in self.up_blocks:
            x = block(x, skips, embedding, attended)  # (B, C_level, h / 2^level, w / 2^level)

        return self.conv_out(F.silu(self.conv_norm_out(x)))  # (B, C_out, h, w)

    def grids(self, size: Grid) -> list[Grid]:
        """(height, width) of every level for latents of this size."""
        return [(size[0] >> level, size[1] >> level) for level in range(self.config.levels)]

    def cross_attentions(self) -> list[CrossAttention]:
        """Every cross-attention, in the order in which the latent meets them."""
        return [module for module in self.modules() if isinstance(module, CrossAttention)]

    def _down(self, level: int, skips: list[int]) -> DownBlock:
        config, width = self.config, self.config.channels[level]
        inputs = [skips[-1]] + [width] * (config.res_blocks[level] - 1)
        skips += [width] * config.res_blocks[level]
        downsampler = None
        if level < config.levels - 1:
            downsampler = self._res_block(width, width, "down") if config.resample == "residual" else Downsample(width)
            skips.append(width)
        attentions = self._attentions(level, config.depths[level], config.res_blocks[level])
        return DownBlock([self._res_block(entering, width) for entering in inputs], attentions, downsampler)

    def _up(self, level: int, skips: list[int]) -> UpBlock:
        config, width = self.config, self.config.channels[level]
        count = config.res_blocks[level] + 1
        entering = [config.channels[min(level + 1, config.levels - 1)]] + [width] * (count - 1)
        resnets = [self._res_block(below + skips.pop(), width) for below in entering]
        upsampler = None
        if level > 0:
            upsampler = self._res_block(width, width, "up") if config.resample == "residual" else Upsample(width)
        return UpBlock(resnets, self._attentions(level, config.depths[level], count), upsampler)

    def _res_block(self, in_channels: int, out_channels: int, resample: Resample | None = None) -> ResBlock:
        config = self.config
        return ResBlock(
            in_channels,
            out_channels,
            self.time_width,
            groups=config.norm_groups,
            eps=config.norm_eps,
            dropout=config.dropout,
            scale_shift=config.scale_shift_norm,
            resample=resample,
        )

    def _attentions(self, level: int, depth: int, count: int) -> list[nn.Module]:
        config, channels = self.config, self.config.channels[level]
        if depth == 0:
            return []
        heads = config.heads_at(level)
        if config.attention == "plain":
            return [AttentionBlock(channels, heads, groups=config.norm_groups, eps=config.norm_eps) for _ in range(count)]
        return [
            Transformer(
                channels,
                heads,
                depth,
                config.context_width,
                groups=config.norm_groups,
                linear_projection=config.linear_projection,
                qk_norm=config.qk_norm,
            )
            for _ in range(count)
        ]


def join(noised: Tensor, conditioning: Conditioning) -> Float[Tensor, "batch channels height width"]:
    """The noised latent with what is concatenated to it."""
    if conditioning.concat is None:
        return noised
    return torch.cat([noised, conditioning.concat.to(noised.dtype)], dim=1)  # (B, C_in + C_concat, h, w)
