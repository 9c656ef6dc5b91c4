"""Backgrounds of scenes: four kinds in twelve named colours, and the words for them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BackgroundKind = Literal["plain", "gradient", "checker", "stripes"]
BACKGROUND_KINDS: tuple[BackgroundKind, ...] = ("plain", "gradient", "checker", "stripes")

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "black": (20, 20, 20),
    "grey": (142, 142, 147),
    "red": (217, 43, 43),
    "orange": (245, 137, 30),
    "yellow": (250, 214, 50),
    "green": (62, 160, 66),
    "teal": (24, 145, 145),
    "blue": (45, 98, 214),
    "purple": (128, 62, 178),
    "pink": (247, 148, 190),
    "brown": (121, 79, 46),
}


@dataclass(frozen=True, kw_only=True)
class Background:
    """What lies behind the objects.

    Args:
        colours: one name of `COLOURS` for a plain background, two for the other kinds.
        angle: direction of gradients and stripes in quarter turns (0 across, 1 down, 0.5 diagonal).
        cells: how many squares or stripes lie across the image.
    """

    kind: BackgroundKind
    colours: tuple[str, ...]
    angle: float = 0.0
    cells: int = 6

    @property
    def wordings(self) -> tuple[str, ...]:
        """Phrases that follow "on"; the first is the fullest."""
        first, second = self.colours[0], self.colours[-1]
        article = "an" if first == "orange" else "a"
        if self.kind == "plain":
            return (f"a plain {first} background", f"{article} {first} background", first)
        if self.kind == "gradient":
            return (f"{article} {first} to {second} gradient background", f"a background fading from {first} to {second}")
        if self.kind == "checker":
            return (f"{article} {first} and {second} checkered background", f"{article} {first} and {second} checkerboard")
        return (f"{article} {first} and {second} striped background", f"{first} and {second} stripes")


def draw_background(rng: random.Random, kinds: tuple[BackgroundKind, ...], plain_share: float) -> Background:
    """A random background of one of `kinds`: plain with probability `plain_share` where it is among them, else any other."""
    patterns: list[BackgroundKind] = [kind for kind in kinds if kind != "plain"]
    kind: BackgroundKind = "plain"
    is_plain = not patterns or ("plain" in kinds and rng.random() < plain_share)
    if not is_plain:
        kind = patterns[int(rng.random() * len(patterns))]
    names = list(COLOURS)
    first = names.pop(int(rng.random() * len(names)))
    if kind == "plain":
        return Background(kind=kind, colours=(first,))
    second = names[int(rng.random() * len(names))]
    angle = (0.0, 1.0, 0.5)[int(rng.random() * 3)]
    return Background(kind=kind, colours=(first, second), angle=angle, cells=4 + int(rng.random() * 5))


def paint(background: Background, size: int) -> NDArray[np.uint8]:
    """The background as (size, size, 3) pixels."""
    first = np.array(COLOURS[background.colours[0]], dtype=np.uint8)
    if background.kind == "plain":
        return np.broadcast_to(first, (size, size, 3)).copy()
    second = np.array(COLOURS[background.colours[1]], dtype=np.uint8)
    if background.kind == "gradient":
        shades = np.linspace(0.0, 1.0, 256)[:, None]
        table = (first * (1 - shades) + second * shades + 0.5).astype(np.uint8)
        return table[_ramp(size, background.angle)]
    return np.stack([first, second])[_cells(size, background.kind, background.angle, background.cells)]


@cache
def _ramp(size: int, angle: float) -> NDArray[np.uint8]:
    along = np.linspace(0.0, 1.0, size)
    across, down = np.meshgrid(along, along)
    return np.round(255 * ((1 - angle) * across + angle * down)).astype(np.uint8)


@cache
def _cells(size: int, kind: BackgroundKind, angle: float, cells: int) -> NDArray[np.uint8]:
    along = (np.arange(size) + 0.5) / size * cells
    across, down = np.meshgrid(along, along)
    if kind == "checker":
        return ((across.astype(int) + down.astype(int)) % 2).astype(np.uint8)
    return (((1 - angle) * across + angle * down).astype(int) % 2).astype(np.uint8)
