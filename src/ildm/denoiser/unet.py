"""The time-conditional U-Net (Rombach 2022, section 3.2): a noised latent, its time and a conditioning in, a prediction out.

One configuration space holds the LDM zoo and Stable Diffusion 1, 2 and XL. Names of parameters stay close to diffusers'.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.masks import Grid
from ildm.core.sinusoidal import sinusoidal
from ildm.core.types import Conditioning
from ildm.denoiser.attended import Attended, Watcher
from ildm.denoiser.attention import CrossAttention, read_context
from ildm.denoiser.blocks import Downsample, EmbeddingMLP, Resample, ResBlock, Upsample, start_at_zero
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.inputs import check_inputs
from ildm.denoiser.levels import DownBlock, MidBlock, UpBlock
from ildm.denoiser.references import companions
from ildm.denoiser.rows import told_apart
from ildm.denoiser.transformer import AttentionBlock, Transformer


class UNet(nn.Module):
    """The network a `UNetConfig` describes."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.time_channels = config.time_channels or channels[0]
        self.time_width = config.time_width or 4 * channels[0]

        self.conv_in = nn.Conv2d(config.in_channels + config.concat_channels, channels[0], 3, padding=1)
        self.time_embedding = EmbeddingMLP(self.time_channels, self.time_width, config.guidance_width)
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
            conditioning: carries exactly what the configuration takes; references, noised to the time, are always taken.

        Raises:
            ConfigError: when a weight of a reference is negative or not finite.
            ShapeError: when the latent or the conditioning does not fit the configuration.
        """
        check_inputs(self.config, noised, timestep, conditioning)
        embedding = self.embed(timestep, conditioning, noised.dtype)  # (B, time_width)
        size = (noised.shape[2], noised.shape[3])
        attended = self.attend(conditioning, size)
        if conditioning.references is not None:
            references = conditioning.references
            going = companions(references.weights, references.queries, self.grids(size))
            if going is not None:
                return going.predict(self.predict, join(noised, conditioning), embedding, attended, references.latents)
        return self.predict(join(noised, conditioning), embedding, attended)

    def look_inside(
        self,
        noised: Float[Tensor, "batch in_channels height width"],
        timestep: Float[Tensor, " batch"],
        conditioning: Conditioning,
        watch: Watcher | None = None,
    ) -> tuple[Float[Tensor, "batch out_channels height width"], Float[Tensor, "batch channels height width"]]:
        """The prediction, as `forward` makes it, and the features that enter the finest level on its way up.

        The features are (batch, channels[min(1, levels - 1)], height, width). References play no part.

        Args:
            watch: shown every cross-attention.
        """
        check_inputs(self.config, noised, timestep, conditioning)
        embedding = self.embed(timestep, conditioning, noised.dtype)
        attended = self.attend(conditioning, (noised.shape[2], noised.shape[3]))._replace(watch=watch)
        return self._walk(join(noised, conditioning), embedding, attended)

    def embed(self, timestep: Tensor, conditioning: Conditioning, dtype: torch.dtype) -> Float[Tensor, "batch time_width"]:
        """The time with guidance, label and pooled vector, through the SiLU that every residual block would apply."""
        waves = sinusoidal(timestep, self.time_channels, cosine_first=self.config.cosine_first)  # (B, time_channels)
        told = None if conditioning.guidance is None else self._guidance_waves(conditioning.guidance).to(dtype)
        embedding = self.time_embedding(waves.to(dtype), told)  # (B, time_width)
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
        return self._walk(noised, embedding, attended)[0]

    def _walk(self, noised: Tensor, embedding: Tensor, attended: Attended) -> tuple[Tensor, Tensor]:
        x = self.conv_in(noised)  # (B, C_0, h, w)

        skips = [x]
        for block in self.down_blocks:
            x, made = block(x, embedding, attended)  # (B, C_level, h / 2^level, w / 2^level)
            skips += made
        x = self.mid_block(x, embedding, attended)  # (B, C_last, h / 2^last, w / 2^last)
        inner = x
        for block in self.up_blocks:
            inner = x
            x = block(x, skips, embedding, attended)  # (B, C_level, h / 2^level, w / 2^level)

        x = told_apart(x, attended.rows)  # where nothing was read
        return self.conv_out(F.silu(self.conv_norm_out(x))), inner  # (B, C_out, h, w)

    def grids(self, size: Grid) -> list[Grid]:
        """(height, width) of every level for latents of this size."""
        return [(size[0] >> level, size[1] >> level) for level in range(self.config.levels)]

    def cross_attentions(self) -> list[CrossAttention]:
        """Every cross-attention, in the order in which the latent meets them."""
        return [module for module in self.modules() if isinstance(module, CrossAttention)]

    def _guidance_waves(self, guidance: Float[Tensor, " batch"]) -> Float[Tensor, "batch guidance_width"]:
        """What a guidance scale adds to plain drawing, in thousandths, as latent consistency models are told it (Luo 2023)."""
        assert self.config.guidance_width is not None
        return sinusoidal((guidance - 1.0) * 1000.0, self.config.guidance_width, cosine_first=False, closed=True)

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
