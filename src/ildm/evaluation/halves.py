"""The two halves of a scene with two objects, each made a square that a recogniser can look at."""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor

from ildm.data.layout import Relation
from ildm.evaluation.images import Pixels

_RING = 2


def halves(pixels: UInt8[Tensor, "3 height width"], relation: Relation) -> Pixels:
    """Where the first and where the second object of "first `relation` second" should be, (2, 3, side, side).

    The image is cut in the middle, across for left and right, down for above and below. Each half is centred on a
    square of its own border's median colour, because stretching it would deform the object.
    """
    side = pixels.shape[-1]
    middle = side // 2
    if relation in ("left", "right"):
        parts = [pixels[:, :, :middle], pixels[:, :, side - middle :]]
    else:
        parts = [pixels[:, :middle], pixels[:, side - middle :]]
    if relation in ("right", "below"):
        parts.reverse()
    return torch.stack([_squared(part, side) for part in parts])


def _squared(part: Tensor, side: int) -> Tensor:
    height, width = part.shape[-2:]
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[_RING:-_RING, _RING:-_RING] = True
    colour = part[:, ~inside].float().median(dim=1).values.to(part.dtype)
    square = colour[:, None, None].repeat(1, side, side)
    top, left = (side - height) // 2, (side - width) // 2
    square[:, top : top + height, left : left + width] = part
    return square
