"""What a U-Net is built of besides attention: time embedding, residual block, up- and downsampling."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.upsampling import upsample_convolve

Resample = Literal["up", "down"]


class EmbeddingMLP(nn.Module):
    """Two linear layers with SiLU between: from features (of the time, of a pooled vector) to the embedding width.

    With `told`, as many other features (of a guidance scale) are projected and added to the first ones.
    """

    def __init__(self, features: int, width: int, told: int | None = None) -> None:
        super().__init__()
        self.cond_proj = None if told is None else nn.Linear(told, features, bias=False)
        self.linear_1 = nn.Linear(features, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(
        self, features: Float[Tensor, "batch features"], told: Float[Tensor, "batch told"] | None = None
    ) -> Float[Tensor, "batch width"]:
        if self.cond_proj is not None and told is not None:
            features = features + self.cond_proj(told)
        return self.linear_2(F.silu(self.linear_1(features)))


class Downsample(nn.Module):
    """Half the resolution by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Tensor:
        return self.conv(x)  # (B, C, h/2, w/2)


class Upsample(nn.Module):
    """Twice the resolution by nearest neighbours and a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Tensor:
        return upsample_convolve(x, self.conv)  # (B, C, 2h, 2w)


class ResBlock(nn.Module):
    """Two normalised convolutions around the time embedding, plus a skip.

    The embedding is added as a bias per channel or, with `scale_shift`, modulates the second norm (Dhariwal 2021, eq. 6).
    With `resample` the block also halves or doubles the resolution of both branches (the paper's `resblock_updown`).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_width: int,
        *,
        groups: int = 32,
        eps: float = 1e-5,
        dropout: float = 0.0,
        scale_shift: bool = False,
        resample: Resample | None = None,
    ) -> None:
        super().__init__()
        self.scale_shift = scale_shift
        self.resample = resample
        self.norm1 = nn.GroupNorm(groups, in_channels, eps)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_width, 2 * out_channels if scale_shift else out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels, eps)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else nn.Identity()
        start_at_zero(self.conv2)

    def forward(
        self, x: Float[Tensor, "batch channels height width"], embedding: Float[Tensor, "rows time_width"]
    ) -> Float[Tensor, "batch out_channels out_height out_width"]:
        """Args:
        x: (batch, in_channels, height, width).
        embedding: (batch or more, time_width), already through its SiLU, which every block shares.
        """
        hidden = F.silu(self.norm1(x))  # (B, C, h, w)
        hidden, x = self._resampled(hidden), self._resampled(x)
        hidden = self.conv1(hidden)  # (B, C_out, h', w')
        bias = self.time_emb_proj(embedding[: x.shape[0]])[:, :, None, None]  # (B, C_out or 2 C_out, 1, 1)
        if self.scale_shift:
            scale, shift = bias.chunk(2, dim=1)
            hidden = self.norm2(hidden) * (1 + scale) + shift
        else:
            hidden = self.norm2(hidden + bias)
        hidden = self.conv2(self.dropout(F.silu(hidden)))  # (B, C_out, h', w')
        return self.conv_shortcut(x) + hidden

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return F.avg_pool2d(x, 2)
        if self.resample == "up":
            return F.interpolate(x, scale_factor=2.0, mode="nearest")
        return x


def start_at_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """Let a residual branch begin as the identity, so that deep networks train from scratch (Goyal 2017, section 5.1)."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
