"""One resolution of the U-Net: on the way down, in the middle, and on the way up."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ildm.denoiser.attended import Attended
from ildm.denoiser.blocks import ResBlock
from ildm.denoiser.rows import told_apart

Attention = nn.Module
"""A `Transformer`, an `AttentionBlock` or nothing (`nn.Identity` would not take `attended`), after a residual block."""


class DownBlock(nn.Module):
    """Residual blocks, each followed by attention where there is any, then half the resolution."""

    def __init__(self, resnets: Sequence[ResBlock], attentions: Sequence[Attention], downsampler: nn.Module | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)
        self.downsampler = downsampler

    def forward(self, x: Tensor, embedding: Tensor, attended: Attended) -> tuple[Tensor, list[Tensor]]:
        """Returns the last feature map and every one that the way up will want."""
        skips = []
        for index, resnet in enumerate(self.resnets):
            x = resnet(x, embedding)  # (B, C_level, h, w)
            if self.attentions:
                x = self.attentions[index](x, attended)
            skips.append(x)
        if self.downsampler is not None:
            x = _resample(self.downsampler, x, embedding)  # (B, C_level, h/2, w/2)
            skips.append(x)
        return x, skips


class MidBlock(nn.Module):
    """The lowest resolution: two residual blocks around attention."""

    def __init__(self, resnets: Sequence[ResBlock], attentions: Sequence[Attention]) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)

    def forward(self, x: Tensor, embedding: Tensor, attended: Attended) -> Tensor:
        x = self.resnets[0](x, embedding)
        for attention in self.attentions:
            x = attention(x, attended)
        return self.resnets[1](x, embedding)


class UpBlock(nn.Module):
    """Residual blocks that each read one feature map of the way down, then twice the resolution."""

    def __init__(self, resnets: Sequence[ResBlock], attentions: Sequence[Attention], upsampler: nn.Module | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions)
        self.upsampler = upsampler

    def forward(self, x: Tensor, skips: list[Tensor], embedding: Tensor, attended: Attended) -> Tensor:
        """Takes its feature maps off the end of `skips`."""
        for index, resnet in enumerate(self.resnets):
            skip = told_apart(skips.pop(), x.shape[0])
            x = resnet(torch.cat([x, skip], dim=1), embedding)  # (B, C_level, h, w)
            if self.attentions:
                x = self.attentions[index](x, attended)
        return x if self.upsampler is None else _resample(self.upsampler, x, embedding)  # (B, C_level, 2h, 2w)


def _resample(layer: nn.Module, x: Tensor, embedding: Tensor) -> Tensor:
    return layer(x, embedding) if isinstance(layer, ResBlock) else layer(x)
