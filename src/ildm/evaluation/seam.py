"""What is seen of the border of a hole that was filled."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from torch import Tensor


def seam(pixels: UInt8[Tensor, "3 height width"], hole: Bool[Tensor, "height width"]) -> float:
    """How much the image changes across the border of a hole, in steps of a byte.

    The mean absolute difference, over the three channels and over all pairs of pixels that share an edge, one of them in the hole and
    the other not; 0 where there is no such pair. In the real image it is what its own lines and textures make it.
    """
    image = pixels.float()
    across = (image[:, :, 1:] - image[:, :, :-1]).abs().mean(dim=0)[hole[:, 1:] != hole[:, :-1]]
    down = (image[:, 1:] - image[:, :-1]).abs().mean(dim=0)[hole[1:] != hole[:-1]]
    count = len(across) + len(down)
    return (across.sum() + down.sum()).item() / count if count else 0.0


def band_around(area: Bool[Tensor, "height width"], width: int) -> Bool[Tensor, "height width"]:
    """The pixels outside an area that are at most so many rows and columns away from it."""
    wide = F.max_pool2d(area[None].float(), 2 * width + 1, stride=1, padding=width)[0] > 0.5
    return wide & ~area
