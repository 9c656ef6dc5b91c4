"""What the attentions of one call read besides the latent, and who looks at it while they do.

Keys and values of a context do not depend on the latent, so they are a value of their own (`Attended`): made once per prompt, read by
every step.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.core.masks import Grid


class Beside(NamedTuple):
    """What the self-attentions of one resolution read beside the row of the batch that they are computed for.

    Args:
        rows: (readers, 1 + others), which rows have more to read, each followed by the others that it reads.
        bias: (readers, 1, 1, (1 + others) * positions), added to the logits: 0 for its own, the log of their weight for the others'.
        seen: (readers, 1, positions, 1) in [0, 1], where others are read at all; None = everywhere.
    """

    rows: Tensor
    bias: Tensor
    seen: Tensor | None


@runtime_checkable
class Watcher(Protocol):
    """Looks at cross-attentions while they are computed."""

    def see(self, query: Tensor, key: Tensor, mask: Tensor | None, grid: Grid) -> None:
        """Look at one.

        Args:
            query: (batch, heads, positions, head_width).
            key: (contexts, heads, tokens, head_width).
            mask: (contexts, 1, 1, tokens), True where a token is real; None = all are.
            grid: (height, width) of the positions.
        """


class Watch:
    """Notes how much of every position's attention goes to some tokens of one context (Tang 2022, DAAM).

    Args:
        tokens: (tokens,), True for those.
        context: which of the contexts they are in.
        row: the row of the batch that attends to it.
    """

    def __init__(self, tokens: Bool[Tensor, " tokens"], *, context: int = 0, row: int = 0) -> None:
        self.tokens, self.context, self.row = tokens, context, row
        self.maps: list[Float[Tensor, "height width"]] = []

    def see(self, query: Tensor, key: Tensor, mask: Tensor | None, grid: Grid) -> None:
        """Note one cross-attention: the mean over its heads, (height, width)."""
        row, context = slice(self.row, self.row + 1), slice(self.context, self.context + 1)
        read = attention_shares(query[row], key[context], None if mask is None else mask[context])  # (1, N, T)
        self.maps.append(read[0, :, self.tokens.to(read.device)].sum(dim=-1).unflatten(0, grid))


class Attended(NamedTuple):
    """What the attentions of one call read besides the latent.

    Args:
        keys_values: per cross-attention, in the network's order: (contexts, heads, tokens, head_width), twice.
        mask: (contexts, 1, 1, tokens), True where a token is real; None = all are.
        weights: per grid (height, width): (contexts, height * width, 1), how much each context acts where; empty for plain ones.
        beside: per grid, for self-attentions; None = each row of the batch reads itself alone.
        counts: how many contexts each row of the batch has, which lie in its order; None = one each.
        watch: told what every cross-attention attends to; None = nobody looks.
        rows: for how many rows the first of them stand, again and again in order: they differ in nothing but what they read, so they are
            one until they read it. None = each for itself.
    """

    keys_values: tuple[tuple[Tensor, Tensor], ...]
    mask: Tensor | None
    weights: dict[Grid, Tensor]
    beside: dict[Grid, Beside] | None = None
    counts: tuple[int, ...] | None = None
    watch: Watcher | None = None
    rows: int | None = None


def token_mask(context_mask: Bool[Tensor, "*batch tokens"] | None) -> Bool[Tensor, "flat 1 1 tokens"] | None:
    """A context mask, of regions or plain, shaped to broadcast over heads and positions."""
    return None if context_mask is None else context_mask.reshape(-1, 1, 1, context_mask.shape[-1])


def attention_shares(query: Tensor, key: Tensor, mask: Tensor | None) -> Float[Tensor, "batch positions tokens"]:
    """How much of its attention each position gives to each token, in float32: the mean over the heads; see `Watcher.see`."""
    logits = query.float() @ key.float().mT * query.shape[-1] ** -0.5  # (B, H, N, T)
    if mask is not None:
        logits = logits.masked_fill(~mask, -torch.inf)
    return logits.softmax(dim=-1).mean(dim=1)  # (B, N, T)
