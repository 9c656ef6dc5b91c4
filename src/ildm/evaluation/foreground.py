"""What of an image is no background, read off its own border, and the boxes of that."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from torch import Tensor

from ildm.data.sample import Box

# scenes keep this share of the side free along the border
_RING = 1 / 64
_SHADES = 16  # steps of a byte that count as one shade
_LEAST = 0.01  # of the border, for a shade to be one of the background's
_UNLIKE = 40.0  # distance in RGB, of 441 from black to white: less, and what an autoencoder blurs counts as drawn
_SPECK = 5  # of the nine pixels around and with one, for it to be no speck


def foreground(pixels: UInt8[Tensor, "3 height width"]) -> Bool[Tensor, "height width"]:
    """Pixels unlike every colour along the image's own border.

    In EmojiScenes no object touches the border, and all colours of a background stand there: both of a checkered or striped one, and
    every shade of a gradient. So all kinds of backgrounds are read alike, and in a drawn image whatever background was drawn.
    """
    shades = _border_shades(pixels)
    rows = pixels.flatten(1).T.float()  # (height * width, 3)
    unlike = torch.cdist(rows, shades).amin(dim=1) > _UNLIKE
    return unlike.unflatten(0, pixels.shape[-2:])


def drawn_boxes(found: Bool[Tensor, "height width"], asked: Sequence[Box]) -> list[Box | None]:
    """The box of what was drawn for each box that was asked for; None where nothing was.

    Each pixel of the foreground, specks left out, belongs to the box that it lies in or nearest to.
    """
    height, width = found.shape
    around = F.avg_pool2d(found[None].float(), 3, stride=1, padding=1)[0] * 9
    down, across = (found & (around > _SPECK - 0.5)).nonzero(as_tuple=True)
    x, y = (across + 0.5) / width, (down + 0.5) / height
    away = torch.stack([_distance(x, y, box) for box in asked])  # (boxes, pixels)
    owner = away.argmin(dim=0)
    return [_around(across[owner == place], down[owner == place], width, height) for place in range(len(asked))]


def overlap(first: Box | None, second: Box) -> float:
    """The intersection of two boxes over their union; 0 for none."""
    if first is None:
        return 0.0
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(0.0, width) * max(0.0, height)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (sum(areas) - shared)


def _border_shades(pixels: Tensor) -> Tensor:
    """The colours along the border, near ones taken together, (shades, 3)."""
    width = max(1, round(_RING * pixels.shape[-1]))
    inside = torch.zeros(pixels.shape[-2:], dtype=torch.bool)
    inside[width:-width, width:-width] = True
    ring = pixels[:, ~inside].T
    _, shade, counts = (ring // _SHADES).unique(dim=0, return_inverse=True, return_counts=True)
    sums = torch.zeros(len(counts), 3).index_add_(0, shade, ring.float())
    common = counts >= max(1.0, _LEAST * len(ring))
    # an image of noise has no common shade: then every one counts
    kept = common if bool(common.any()) else torch.ones_like(common)
    return (sums / counts[:, None])[kept]


def _distance(x: Tensor, y: Tensor, box: Box) -> Tensor:
    left, top, right, bottom = box
    return torch.hypot((left - x).clamp(min=0) + (x - right).clamp(min=0), (top - y).clamp(min=0) + (y - bottom).clamp(min=0))


def _around(across: Tensor, down: Tensor, width: int, height: int) -> Box | None:
    if not len(across):
        return None
    return (
        int(across.min()) / width,
        int(down.min()) / height,
        (int(across.max()) + 1) / width,
        (int(down.max()) + 1) / height,
    )
