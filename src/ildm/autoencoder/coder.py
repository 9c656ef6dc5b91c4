"""Encoder and decoder: the same levels, walked down and up."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ildm.autoencoder.blocks import AttentionBlock, Downsample, ResBlock, Upsample, norm
from ildm.autoencoder.config import AutoencoderConfig


class Level(nn.Module):
    """Residual blocks at one resolution, each with attention after it if asked, then an optional change of resolution."""

    def __init__(self, in_channels: int, out_channels: int, num_blocks: int, attention: bool, resample: nn.Module) -> None:
        super().__init__()
        widths = [in_channels] + [out_channels] * (num_blocks - 1)
        self.resnets = nn.ModuleList(ResBlock(width, out_channels) for width in widths)
        self.attentions = nn.ModuleList(AttentionBlock(out_channels) if attention else nn.Identity() for _ in widths)
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        for resnet, attention in zip(self.resnets, self.attentions, strict=True):
            x = attention(resnet(x))
        return self.resample(x)


class Middle(nn.Module):
    """Two residual blocks around an optional attention, at the latent's resolution."""

    def __init__(self, channels: int, attention: bool) -> None:
        super().__init__()
        self.resnet1 = ResBlock(channels, channels)
        self.attention = AttentionBlock(channels) if attention else nn.Identity()
        self.resnet2 = ResBlock(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.resnet2(self.attention(self.resnet1(x)))


class Encoder(nn.Module):
    """Images (batch, image_channels, height, width) to (batch, encoder_features, height / stride, width / stride)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, last = config.channels, len(config.channels) - 1
        self.fold = nn.PixelUnshuffle(config.fold) if config.fold > 1 else nn.Identity()
        self.conv_in = nn.Conv2d(config.image_channels * config.fold**2, channels[0], 3, padding=1)
        self.levels = nn.ModuleList(
            Level(
                channels[max(i - 1, 0)],
                width,
                config.num_res_blocks,
                i in config.attention_levels,
                Downsample(width) if i < last else nn.Identity(),
            )
            for i, width in enumerate(channels)
        )
        self.middle = Middle(channels[-1], config.middle_attention)
        self.norm_out = norm(channels[-1])
        self.conv_out = nn.Conv2d(channels[-1], config.encoder_features, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv_in(self.fold(images))
        for level in self.levels:
            x = level(x)
        return self.conv_out(F.silu(self.norm_out(self.middle(x))))


class Decoder(nn.Module):
    """Features (batch, features, height, width) to images (batch, image_channels, height * stride, width * stride)."""

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__()
        channels, last = config.channels, len(config.channels) - 1
        self.conv_in = nn.Conv2d(config.bottleneck_features, channels[-1], 3, padding=1)
        self.middle = Middle(channels[-1], config.middle_attention)
        self.levels = nn.ModuleList(
            Level(
                channels[min(i + 1, last)],
                channels[i],
                config.decoder_depths[i],
                i in config.attention_levels,
                Upsample(channels[i]) if i > 0 else nn.Identity(),
            )
            for i in range(last, -1, -1)
        )
        self.norm_out = norm(channels[0])
        self.conv_out = nn.Conv2d(channels[0], config.image_channels * config.fold**2, 3, padding=1)
        self.unfold = nn.PixelShuffle(config.fold) if config.fold > 1 else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        x = self.middle(self.conv_in(features))
        for level in self.levels:
            x = level(x)
        return self.unfold(self.conv_out(F.silu(self.norm_out(x))))
