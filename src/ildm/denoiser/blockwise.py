"""Attention in bfloat16 on a CPU, block by block: oneDNN's products take two thirds of the time of torch's fused kernel.

Scores are rounded to bfloat16 between the two products, where the fused kernel keeps float32. So that those that matter are small, and
lose little, about the largest score of its row is taken from every score; a softmax does not change by that. It comes for nothing: one
column more in the product.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

LEAST = 2**19
"""Scores from which on blocks are faster than the fused kernel."""
_BLOCK = 2**20  # scores at a time: 2 MB, which a core's caches hold
_ROWS = 512  # of one head, at most
_EVERY = 29  # of so many keys one is looked at for a row's largest score; coprime with the sides of grids
_SHIFT = 2  # more columns than a head has: the shift's, and one that makes their number even
_LANES = 16  # values are this many columns wide, or twice, ...: a product of 48 columns is faster than one of 40


def attend_in_blocks(
    query: Float[Tensor, "batch heads positions head_width"],
    key: Float[Tensor, "batch heads tokens head_width"],
    value: Float[Tensor, "batch heads tokens head_width"],
) -> Float[Tensor, "batch heads positions head_width"]:
    """`softmax(Q K^T / sqrt(d)) V` of bfloat16 tensors, without gradients."""
    batch, heads, positions, width = query.shape
    tokens = key.shape[2]
    queries, keys, values = (
        F.pad(x, (0, more)).flatten(0, 1) for x, more in ((query, _SHIFT), (key, _SHIFT), (value, -width % _LANES))
    )
    keys[..., width] = 1.0
    queries[..., width] = -torch.bmm(queries, keys[:, ::_EVERY].mT).amax(dim=-1)
    out = values.new_empty(batch * heads, positions, values.shape[-1])
    rows = min(positions, _ROWS)
    together = max(1, _BLOCK // (rows * tokens))
    unread = query.new_empty(())
    for head in range(0, batch * heads, together):
        some = slice(head, head + together)
        for row in range(0, positions, rows):
            part = queries[some, row : row + rows]
            scores = torch.baddbmm(unread, part, keys[some].mT, beta=0, alpha=width**-0.5)
            torch.bmm(scores.softmax(dim=-1), values[some], out=out[some, row : row + rows])
    return out[..., :width].unflatten(0, (batch, heads))
