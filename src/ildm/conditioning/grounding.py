"""What the tokens of a context name, and what lies where, by the same numbers: what cross-attention can be taught by."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

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
