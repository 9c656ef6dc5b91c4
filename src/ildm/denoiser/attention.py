"""Self- and cross-attention, to several contexts at once, each acting in its own area, and to other rows of the batch.

Rombach 2022, section 3.3. What is read besides the latent is `Attended`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ildm.core.device import cpu_computes_in_bfloat16
from ildm.core.masks import Grid, thin_kept
from ildm.core.types import Regions
from ildm.denoiser.attended import Attended, Beside, token_mask
from ildm.denoiser.blockwise import LEAST, attend_in_blocks

SMALL = 64  # tokens


class SelfAttention(nn.Module):
    """Every position attends to every position, and to those of other rows of the batch where `beside` says so."""

    def __init__(self, channels: int, heads: int, *, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(channels, channels, bias=False)
        self.to_v = nn.Linear(channels, channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        self.norm_q, self.norm_k = _head_norms(channels // heads, qk_norm)

    def forward(
        self, x: Float[Tensor, "batch positions channels"], beside: Beside | None = None
    ) -> Float[Tensor, "batch positions channels"]:
        query = self.norm_q(split_heads(self.to_q(x), self.heads))  # (B, H, N, d)
        key = self.norm_k(split_heads(self.to_k(x), self.heads))  # (B, H, N, d)
        value = split_heads(self.to_v(x), self.heads)  # (B, H, N, d)
        return self.to_out(join_heads(attend_rows(query, key, value, beside)))  # (B, N, C)


class CrossAttention(nn.Module):
    """Every position attends to the tokens of a context, or of several contexts by its weights.

    `layer` is its place among the cross-attentions of a network, which says where in `Attended` its keys and values are.
    """

    def __init__(self, channels: int, heads: int, context_width: int, *, layer: int = 0, qk_norm: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.layer = layer
        self.to_q = nn.Linear(channels, channels, bias=False)
        self.to_k = nn.Linear(context_width, channels, bias=False)
        self.to_v = nn.Linear(context_width, channels, bias=False)
        self.to_out = nn.Linear(channels, channels)
        self.norm_q, self.norm_k = _head_norms(channels // heads, qk_norm)

    def project(self, context: Float[Tensor, "batch tokens context_width"]) -> tuple[Tensor, Tensor]:
        """Keys and values of a context, (batch, heads, tokens, head_width) each."""
        key = self.norm_k(split_heads(self.to_k(context), self.heads))
        return key, split_heads(self.to_v(context), self.heads)

    def forward(
        self, x: Float[Tensor, "batch positions channels"], attended: Attended, grid: Grid
    ) -> Float[Tensor, "batch positions channels"]:
        """Args:
        x: (batch, height * width, channels).
        attended: what to attend to.
        grid: (height, width), which weights to use.
        """
        key, value = attended.keys_values[self.layer]
        query = self.norm_q(split_heads(self.to_q(x), self.heads))  # (B, H, N, d)
        if attended.watch is not None:
            attended.watch.see(query, key, attended.mask, grid)
        found = attend_regions(query, key, value, attended.mask, attended.weights.get(grid), attended.counts)
        return self.to_out(join_heads(found))  # (B, N, C)


def read_context(
    layers: Sequence[CrossAttention],
    grids: Iterable[Grid],
    *,
    context: Float[Tensor, "batch tokens width"] | None = None,
    context_mask: Bool[Tensor, "batch tokens"] | None = None,
    regions: Regions | None = None,
) -> Attended:
    """What `layers` read of a context, or of the contexts of regions at the resolutions `grids`."""
    if regions is None:
        return Attended(project(layers, context), token_mask(context_mask), {})
    return attend_where_acting(regions, project(layers, regions.context.flatten(0, 1)), grids)


def attend_where_acting(regions: Regions, keys_values: Sequence[tuple[Tensor, Tensor]], grids: Iterable[Grid]) -> Attended:
    """What is attended to of regions: those that have no weight anywhere are left out, and cost nothing.

    Args:
        keys_values: what each layer made of the flattened contexts, (batch * regions, heads, tokens, head_width), twice.
    """
    acting = regions.weights.flatten(2).any(dim=2)  # (B, R)
    owners, places = acting.nonzero(as_tuple=True)
    weights = {grid: thin_kept(regions.weights, grid)[owners, places].flatten(1)[..., None] for grid in grids}
    mask = token_mask(regions.context_mask)
    if len(owners) < acting.numel():
        rows = owners * acting.shape[1] + places
        keys_values = [(key[rows], value[rows]) for key, value in keys_values]
        mask = None if mask is None else mask[rows]
    return Attended(tuple(keys_values), mask, weights, counts=tuple(acting.sum(dim=1).tolist()))


def project(
    layers: Sequence[CrossAttention], context: Float[Tensor, "batch tokens width"] | None
) -> tuple[tuple[Tensor, Tensor], ...]:
    """The keys and values that each of `layers` makes of a context."""
    if context is None:
        return ()
    return tuple(layer.project(context) for layer in layers)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """`softmax(Q K^T / sqrt(d)) V`, each (batch, heads, positions or tokens, head_width)."""
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        if query.requires_grad:
            return _attend_for_training(query, key, value, mask)
        scores = query.shape[:3].numel() * key.shape[2]
        if mask is None and scores >= LEAST and cpu_computes_in_bfloat16() and not torch.compiler.is_compiling():
            return attend_in_blocks(query, key, value)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _attend_for_training(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    # torch's CPU kernel has a bf16 backward 3 to 10 times slower than its fp32 one, and plain products beat both on small grids
    if mask is None and key.shape[2] <= SMALL:
        scores = query @ (key * key.shape[-1] ** -0.5).mT  # (B, H, N, T)
        return scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype) @ value
    with torch.autocast("cpu", enabled=False):  # which would undo the casts
        if mask is not None and mask.is_floating_point():
            mask = mask.float()
        found = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=mask)
    return found.to(query.dtype)


def attend_rows(query: Tensor, key: Tensor, value: Tensor, beside: Beside | None) -> Tensor:
    """`softmax(Q K^T / sqrt(d)) V` within each row of the batch, and over several of them for the rows that read others.

    Args:
        query, key, value: (batch, heads, positions, head_width).
        beside: who reads whom; None = nobody.

    Returns:
        (batch, heads, positions, head_width), exactly as within each row wherever others have weight 0 in `beside.seen`.
    """
    found = attend(query, key, value)
    if beside is None:
        return found
    readers = beside.rows[:, 0]
    keys, values = (x[beside.rows].transpose(1, 2).flatten(2, 3) for x in (key, value))  # (readers, H, (1 + others) N, d)
    more = attend(query[readers], keys, values, beside.bias.to(query.dtype))  # (readers, H, N, d)
    if beside.seen is not None:
        more = torch.lerp(found[readers], more, beside.seen.to(more.dtype))
    return found.index_copy(0, readers, more)


def attend_regions(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, weights: Tensor | None, counts: Sequence[int] | None
) -> Tensor:
    """`o(p) = sum_r w_r(p) Attn(Q(p), K_r, V_r)`; without weights, plain attention to one context.

    Args:
        query: (batch, heads, positions, head_width).
        key, value: (contexts, heads, tokens, head_width).
        mask: (contexts, 1, 1, tokens) or None.
        weights: (contexts, positions, 1) or None.
        counts: how many contexts each row of the batch has, which lie in its order; None without weights.

    Returns:
        (batch, heads, positions, head_width)
    """
    if weights is None or counts is None:
        return attend(query, key, value, mask)
    if torch.compiler.is_compiling() and len(set(counts)) == 1:  # what is compiled must not run through the rows one by one
        found = attend(query.repeat_interleave(counts[0], dim=0), key, value, mask)
        return (found * weights[:, None].to(found.dtype)).unflatten(0, (-1, counts[0])).sum(dim=1)
    owners = torch.arange(len(counts), device=query.device).repeat_interleave(torch.tensor(counts, device=query.device))
    found = attend(query[owners], key, value, mask)  # (contexts, H, N, d)
    found = found * weights[:, None].to(found.dtype)
    # those of a row lie together; adding by index would not keep their order on every device
    return torch.stack([part.sum(dim=0) for part in found.split(counts)])


def split_heads(x: Float[Tensor, "batch positions channels"], heads: int) -> Tensor:
    """(batch, positions, channels) to (batch, heads, positions, head_width)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def join_heads(x: Float[Tensor, "batch heads positions head_width"]) -> Tensor:
    """(batch, heads, positions, head_width) to (batch, positions, channels)."""
    return x.transpose(1, 2).flatten(2)


class HeadNorm(nn.RMSNorm):
    """Normalised queries and keys keep the logits bounded (Dehghani 2023, section 2)."""

    def __init__(self, head_width: int) -> None:
        super().__init__(head_width, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        # under autocast x is in a rougher format than the weight, and the fused kernel wants one
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def _head_norms(head_width: int, wanted: bool) -> tuple[nn.Module, nn.Module]:
    if not wanted:
        return nn.Identity(), nn.Identity()
    return HeadNorm(head_width), HeadNorm(head_width)
