"""Where the objects of a scene stand, and how two of them lie to each other."""

from __future__ import annotations

import random
from typing import Literal

PixelBox = tuple[int, int, int, int]
Relation = Literal["left", "right", "above", "below"]

_SCALES = {1: (0.45, 0.88), 2: (0.3, 0.48), 3: (0.26, 0.42), 4: (0.24, 0.38)}
_TRIES = 24
_MARGIN = 0.02  # kept free along the border and between objects, as a share of the side
LARGEST_SCALE = 0.88


def draw_scale(rng: random.Random, count: int) -> float:
    """How long the longest side of one of `count` objects is, as a share of the image's side."""
    low, high = _SCALES[count]
    return low + (high - low) * rng.random()


def place(rng: random.Random, sizes: list[tuple[int, int]], side: int, overlap: float) -> list[PixelBox] | None:
    """Put boxes of the given (width, height) into a square.

    Args:
        overlap: how much of the smaller of two boxes may be covered, in [0, 1).

    Returns:
        (left, top, right, bottom) per box, or None when no place was found.
    """
    for _ in range(3):
        boxes: list[PixelBox] = []
        for width, height in sizes:
            box = _find_place(rng, width, height, side, boxes, overlap)
            if box is None:
                break
            boxes.append(box)
        else:
            return boxes
    return None


def relation(first: tuple[float, ...], second: tuple[float, ...]) -> Relation | None:
    """How `first` lies to `second`; None unless they are clearly apart along one axis and less so along the other."""
    across = (second[0] + second[2] - first[0] - first[2]) / 2
    down = (second[1] + second[3] - first[1] - first[3]) / 2
    if abs(across) >= 1.5 * abs(down) and (first[2] <= second[0] or second[2] <= first[0]):
        return "left" if across > 0 else "right"
    if abs(down) >= 1.5 * abs(across) and (first[3] <= second[1] or second[3] <= first[1]):
        return "above" if down > 0 else "below"
    return None


def _find_place(
    rng: random.Random, width: int, height: int, side: int, boxes: list[PixelBox], overlap: float
) -> PixelBox | None:
    margin = round(_MARGIN * side)
    for _ in range(_TRIES):
        left = margin + int(rng.random() * (side - width - 2 * margin + 1))
        top = margin + int(rng.random() * (side - height - 2 * margin + 1))
        box = (left, top, left + width, top + height)
        wide = (left - margin, top - margin, left + width + margin, top + height + margin)
        if all(_covered(wide if overlap == 0 else box, other) <= overlap for other in boxes):
            return box
    return None


def _covered(first: PixelBox, second: PixelBox) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (first, second))
    return width * height / smaller
