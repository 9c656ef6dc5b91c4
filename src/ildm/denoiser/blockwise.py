"""Self-attention in bfloat16 on a CPU, block by block: oneDNN's products take two thirds of the time of torch's fused kernel.

Scores are rounded to bfloat16 between the two products, where the fused kernel keeps float32. So that those that matter are small, and
lose little, about the largest score of its row is taken from every score; a softmax does not change by that. It comes for nothing: one
column more in the product.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

LEAST = 2**19
"""Scores from which on blocks are faster than the fused kernel."""
_BLOCK = 2**20  # scores at a time: 2 MB, which a core's caches hold
_ROWS = 512  # of one head, at most
_EVERY = 13  # a row's largest score is looked for among the keys at so many places; coprime with the sides of grids
_COLUMNS = 2  # more than a head has: the shift's, and one that makes their number even


def attend_in_blocks(
    query: Float[Tensor, "batch heads positions head_width"],
    key: Float[Tensor, "batch heads tokens head_width"],
    value: Float[Tensor, "batch heads tokens head_width"],
) -> Float[Tensor, "batch heads positions head_width"]:
    """`softmax(Q K^T / sqrt(d)) V` of bfloat16 tensors, without gradients."""
    batch, heads, positions, width = query.shape
    tokens = key.shape[2]
    queries, keys = _widened(query), _widened(key)
    keys[..., width] = 1.0
    queries[..., width] = -torch.bmm(queries, keys[:, ::_EVERY].mT).amax(dim=-1)
    values = value.flatten(0, 1)
    out = value.new_empty(batch * heads, positions, width)
    rows = min(positions, _ROWS)
    together = max(1, _BLOCK // (rows * tokens))
    unread = query.new_empty(())
    for head in range(0, batch * heads, together):
        some = slice(head, head + together)
        for row in range(0, positions, rows):
            part = queries[some, row : row + rows]
            scores = torch.baddbmm(unread, part, keys[some].mT, beta=0, alpha=width**-0.5)
            torch.bmm(scores.softmax(dim=-1), values[some], out=out[some, row : row + rows])
    return out.unflatten(0, (batch, heads))


def _widened(x: Tensor) -> Tensor:
    """(batch, heads, n, width) as (batch * heads, n, width + more), where what is more is 0."""
    wide = x.new_zeros(*x.shape[:-1], x.shape[-1] + _COLUMNS)
    wide[..., : x.shape[-1]] = x
    return wide.flatten(0, 1)
