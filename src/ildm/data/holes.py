"""Holes to be painted into: thin and thick strokes, and boxes (after Suvorov 2022, section 3.1)."""

from __future__ import annotations

import random
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

HoleKind = Literal["thin", "thick", "box"]
HOLE_KINDS: tuple[HoleKind, ...] = ("thin", "thick", "box")
_WIDTHS = {"thin": (0.02, 0.06), "thick": (0.12, 0.25)}  # of a stroke, as shares of the side
_STROKES = {"thin": (2, 5), "thick": (1, 3)}
_BOXES, _BOX_SIDES = (1, 3), (0.2, 0.5)


def draw_hole(rng: random.Random, size: int, kind: HoleKind | None = None) -> NDArray[np.bool_]:
    """A hole in a square of `size` pixels, (size, size), True where to draw anew; never empty.

    Args:
        kind: None = any of them, equally often.
    """
    kind = kind or HOLE_KINDS[int(rng.random() * len(HOLE_KINDS))]
    picture = Image.new("1", (size, size))
    pen = ImageDraw.Draw(picture)
    if kind == "box":
        for _ in range(_between(rng, *_BOXES)):
            width, height = (round(size * rng.uniform(*_BOX_SIDES)) for _ in range(2))
            left, top = round(rng.random() * (size - width)), round(rng.random() * (size - height))
            pen.rectangle((left, top, left + width - 1, top + height - 1), fill=1)
    else:
        for _ in range(_between(rng, *_STROKES[kind])):
            _stroke(rng, pen, size, max(1, round(size * rng.uniform(*_WIDTHS[kind]))))
    return np.array(picture)


def _stroke(rng: random.Random, pen: ImageDraw.ImageDraw, size: int, width: int) -> None:
    """A line with a few bends and round joints."""
    points = [(rng.random() * size, rng.random() * size)]
    for _ in range(_between(rng, 2, 5)):
        x, y = points[-1]
        reach = size * rng.uniform(0.15, 0.45)
        points.append(
            (min(max(x + rng.uniform(-reach, reach), 0), size - 1), min(max(y + rng.uniform(-reach, reach), 0), size - 1))
        )
    pen.line(points, fill=1, width=width)
    for x, y in points:
        pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=1)


def _between(rng: random.Random, low: int, high: int) -> int:
    return low + int(rng.random() * (high - low + 1))
