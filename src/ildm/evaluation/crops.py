"""One thing out of an image, made a square that a recogniser can look at."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from ildm.data.sample import Box
from ildm.evaluation.images import extract
from ildm.evaluation.network import Lite0
from ildm.evaluation.recogniser import Recogniser

_AROUND = 1 / 16  # of the box's longest side, looked at beside it
_FILLED = 0.75  # of the square's side, which is about what a single object fills in the renders that a recogniser learns from
_RING = 2
_CHUNK = 256


def crop(
    pixels: UInt8[Tensor, "3 side side"], box: Box, where: Bool[Tensor, "side side"] | None = None
) -> UInt8[Tensor, "3 side side"]:
    """What is in a box, enlarged and centred on a plain square, in proportion.

    Args:
        box: (left, top, right, bottom) as fractions of the sides.
        where: the thing's own pixels; all others are painted over. None = the whole box counts.

    The square has the median colour of the crop's border, or of what surrounds the thing's own pixels there: any other colour would
    show the outline of an empty place.
    """
    side = pixels.shape[-1]
    left, top, right, bottom = _widened(box, side)
    part = pixels[:, top:bottom, left:right]
    height, width = part.shape[-2:]
    if where is None:
        own = torch.zeros(height, width, dtype=torch.bool)
        own[_RING:-_RING, _RING:-_RING] = True
    else:
        own = where[top:bottom, left:right]
    around = part[:, ~own] if not bool(own.all()) else part.flatten(1)
    colour = around.float().median(dim=1).values.to(part.dtype)
    if where is not None:
        part = torch.where(own, part, colour[:, None, None])
    whole = round(max(height, width) / _FILLED)
    square = colour[:, None, None].repeat(1, whole, whole)
    down, across = (whole - height) // 2, (whole - width) // 2
    square[:, down : down + height, across : across + width] = part
    resized = F.interpolate(square[None].float(), size=(side, side), mode="bilinear", antialias=True, align_corners=False)
    return resized[0].round().clamp(0, 255).to(torch.uint8)


def score_crops(
    recogniser: Recogniser, network: Lite0, crops: Iterable[UInt8[Tensor, "3 side side"]]
) -> Float[Tensor, "crops concepts"]:
    """The recogniser's scores of any number of crops, a few in memory at a time."""
    left = iter(crops)
    parts = []
    while chunk := list(islice(left, _CHUNK)):
        parts.append(recogniser.scores(extract(network, torch.stack(chunk))))
    return torch.cat(parts)


def _widened(box: Box, side: int) -> tuple[int, int, int, int]:
    """The box in pixels with a little around it, within the image, and never empty."""
    more = _AROUND * max(box[2] - box[0], box[3] - box[1])
    left, top = (max(0, min(side - 1, round(side * (edge - more)))) for edge in box[:2])
    right, bottom = (min(side, round(side * (edge + more))) for edge in box[2:])
    return left, top, max(right, left + 1), max(bottom, top + 1)
