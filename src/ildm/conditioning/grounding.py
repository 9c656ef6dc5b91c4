"""What the tokens of a context name, and what lies where, by the same numbers: what cross-attention can be taught by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ildm.conditioning.prompt import WeightedText

NOTHING = 0
"""The number of tokens that name no thing, and of places where no thing lies."""
PADDING = -1
"""The number of tokens that nobody reads."""


class Mention(NamedTuple):
    """A thing that is named in a text.

    Args:
        start, end: of its letters.
        number: of the thing, from 1.
    """

    start: int
    end: int
    number: int


def numbered(text: str, mentions: Sequence[Mention]) -> WeightedText:
    """A text in which the letters that name thing n weigh n more than all others, so that its tokens can be told by their weights.

    Args:
        mentions: one behind the other.
    """
    parts, start = WeightedText(), 0
    for mention in mentions:
        parts += [(text[start : mention.start], 1.0), (text[mention.start : mention.end], 1.0 + mention.number)]
        start = mention.end
    return [*parts, (text[start:], 1.0)]


def named(weights: Float[Tensor, "*batch tokens"], mask: Bool[Tensor, "*batch tokens"]) -> Int[Tensor, "*batch tokens"]:
    """What each token of `numbered` texts names, see `Grounding.tokens`, by what it weighs."""
    return (weights - 1.0).long().masked_fill(~mask, PADDING)


class Grounding(NamedTuple):
    """Tokens and places bound to each other.

    Args:
        tokens: the number of what each token names, `NOTHING` or `PADDING`.
        cells: the number of what fills each of a latent's places, or `NOTHING`.
    """

    tokens: Int[Tensor, "batch tokens"]
    cells: Int[Tensor, "batch height width"]

    def to(self, device: torch.device) -> Grounding:
        """The same on a device."""
        return Grounding(self.tokens.to(device), self.cells.to(device))
