"""What stands after a residual block: a transformer over the latent's positions, or one plain self-attention."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.masks import Grid
from ildm.denoiser.attended import Attended
from ildm.denoiser.attention import CrossAttention, SelfAttention, attend_rows, join_heads
from ildm.denoiser.blocks import start_at_zero
from ildm.denoiser.rows import told_apart

NORM_EPS = 1e-6  # of the transformer's outer norm in every LDM and Stable Diffusion checkpoint


class FeedForward(nn.Module):
    """A feed-forward layer with a GELU gate (Shazeer 2020, GEGLU)."""

    def __init__(self, channels: int, expansion: int = 4) -> None:
        super().__init__()
        self.proj_in = nn.Linear(channels, 2 * expansion * channels)
        self.proj_out = nn.Linear(expansion * channels, channels)

    def forward(self, x: Float[Tensor, "batch positions channels"]) -> Tensor:
        hidden, gate = self.proj_in(x).chunk(2, dim=-1)  # (B, N, 4 C) each
        return self.proj_out(hidden * F.gelu(gate))  # (B, N, C)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention (where there is a context) and feed-forward, each normalised and added."""

    def __init__(self, channels: int, heads: int, context_width: int | None, *, qk_norm: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = SelfAttention(channels, heads, qk_norm=qk_norm)
        if context_width is not None:
            self.norm2 = nn.LayerNorm(channels)
            self.attn2 = CrossAttention(channels, heads, context_width, qk_norm=qk_norm)
        else:
            self.norm2 = self.attn2 = None
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels)

    def forward(self, x: Float[Tensor, "batch positions channels"], attended: Attended, grid: Grid) -> Tensor:
        x = x + self.attn1(self.norm1(x), None if attended.beside is None else attended.beside[grid])  # (B, N, C)
        if self.attn2 is not None and self.norm2 is not None:
            x = told_apart(x, attended.rows)
            x = x + self.attn2(self.norm2(x), attended, grid)  # (B, N, C)
        return x + self.ff(self.norm3(x))  # (B, N, C)


class Transformer(nn.Module):
    """`depth` transformer blocks between projections in and out, added to their input.

    The projections are 1x1 convolutions in LDM and Stable Diffusion 1, and linear layers, which are the same product in
    another layout, in Stable Diffusion 2 and XL.
    """

    def __init__(
        self,
        channels: int,
        heads: int,
        depth: int,
        context_width: int | None,
        *,
        groups: int = 32,
        linear_projection: bool = False,
        qk_norm: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, NORM_EPS)
        self.linear_projection = linear_projection
        self.proj_in = nn.Linear(channels, channels) if linear_projection else nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(channels, heads, context_width, qk_norm=qk_norm) for _ in range(depth)
        )
        self.proj_out = nn.Linear(channels, channels) if linear_projection else nn.Conv2d(channels, channels, 1)
        start_at_zero(self.proj_out)

    def forward(self, x: Float[Tensor, "batch channels height width"], attended: Attended) -> Tensor:
        grid = (x.shape[2], x.shape[3])
        hidden = self.norm(x)  # (B, C, h, w)
        hidden = self.proj_in(to_positions(hidden)) if self.linear_projection else to_positions(self.proj_in(hidden))
        for block in self.transformer_blocks:
            hidden = block(hidden, attended, grid)  # (B, h w, C)
        hidden = to_grid(self.proj_out(hidden), grid) if self.linear_projection else self.proj_out(to_grid(hidden, grid))
        return told_apart(x, hidden.shape[0]) + hidden  # (B, C, h, w)


class AttentionBlock(nn.Module):
    """One normalised self-attention added to its input: the unconditional LDMs' attention.

    `qkv` keeps their layout: for each head in turn its queries, keys and values.
    """

    def __init__(self, channels: int, heads: int, *, groups: int = 32, eps: float = 1e-5) -> None:
        super().__init__()
        self.heads = heads
        self.group_norm = nn.GroupNorm(groups, channels, eps)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.to_out = nn.Linear(channels, channels)
        start_at_zero(self.to_out)

    def forward(self, x: Float[Tensor, "batch channels height width"], attended: Attended) -> Tensor:
        grid = (x.shape[2], x.shape[3])
        qkv = self.qkv(to_positions(self.group_norm(x)))  # (B, N, H 3 d)
        query, key, value = qkv.unflatten(-1, (self.heads, 3, -1)).permute(3, 0, 2, 1, 4)  # (B, H, N, d) each
        found = attend_rows(query, key, value, None if attended.beside is None else attended.beside[grid])  # (B, H, N, d)
        hidden = self.to_out(join_heads(found))  # (B, N, C)
        return x + to_grid(hidden, grid)  # (B, C, h, w)


def to_positions(x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch positions channels"]:
    """Grid to sequence, row by row; a view when `x` is channels-last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).contiguous()


def to_grid(x: Float[Tensor, "batch positions channels"], grid: Grid) -> Float[Tensor, "batch channels height width"]:
    """Sequence to grid, a channels-last view."""
    return x.unflatten(1, grid).permute(0, 3, 1, 2)
