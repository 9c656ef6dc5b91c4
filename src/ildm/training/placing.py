"""Placing: while the network learns to denoise, each word that names a thing learns to say where in the picture it lies.

"a key left of a rose" and "a rose left of a key" are the same words: only the text encoder can tell which thing is left, and eq. 3 rewards
that so little that millions of samples pass without it. Asked of its tokens directly, it learns the order within some 25,000 captions.
The head is thrown away after training.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ildm.conditioning.grounding import NOTHING, Grounding


class PlacingHead(nn.Module):
    """Says of every token where in the picture lies what it names: (x, y) from the upper left corner, in sides of the picture.

    Args:
        features: of the context.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.places_out = nn.Linear(features, 2)

    def forward(self, context: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch tokens 2"]:
        """The places."""
        return self.places_out(context)


def placing_loss(places: Float[Tensor, "batch tokens 2"], grounding: Grounding) -> Float[Tensor, " batch"]:
    """The squared distance of what tokens say from the middle of the things that they name, in sides of the picture, mean over the tokens.

    Tokens that name nothing, or what no cell shows, cost nothing.
    """
    tokens, cells = grounding
    shown = ((cells[:, None] == tokens[:, :, None, None]) & (tokens > NOTHING)[..., None, None]).float()  # (B, T, h, w)
    counts = shown.sum(dim=(2, 3))  # (B, T)
    # no products of matrices, which are rounded to bfloat16 where the network is
    across = (shown.sum(dim=2) * _middles(cells.shape[2], shown)).sum(dim=-1)  # (B, T)
    down = (shown.sum(dim=3) * _middles(cells.shape[1], shown)).sum(dim=-1)  # (B, T)
    lies = torch.stack([across, down], dim=-1) / counts.clamp(min=1.0)[..., None]  # (B, T, 2)
    distances = (places.float() - lies).square().sum(dim=-1)  # (B, T)
    told = (counts > 0).float()
    return (distances * told).sum(dim=1) / told.sum(dim=1).clamp(min=1.0)


def _middles(count: int, like: Tensor) -> Float[Tensor, " count"]:
    """Of so many cells along a side of length 1."""
    return (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count
