"""The composer: a scene's recipe drawn from a seed, then painted with exact maps."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ildm.data.backgrounds import Background, BackgroundKind, draw_background, paint
from ildm.data.casting import Role
from ildm.data.layout import PixelBox, draw_scale, place
from ildm.data.sprites import Sprite, SpriteStore

_HARD_TO_SEE = 0.35  # share of an outline that may vanish on the background
_BACKGROUND_TRIES = 12


@dataclass(frozen=True, kw_only=True)
class Painted:
    """A scene's pixels.

    Args:
        image: (size, size, 3), RGB.
        instances: (size, size), 0 for the background, else 1 + the index of the role.
        boxes: (left, top, right, bottom) in pixels around what is visible of each role.
    """

    roles: list[Role]
    background: Background
    image: NDArray[np.uint8]
    instances: NDArray[np.uint8]
    boxes: list[PixelBox]


def compose(
    rng: random.Random,
    cast: Callable[[], list[Role]],
    sprites: SpriteStore,
    *,
    size: int,
    kinds: tuple[BackgroundKind, ...],
    plain_share: float,
    overlap: float,
) -> Painted:
    """Draw and paint one scene.

    Args:
        cast: draws the roles; called again when they find no room.
        size: side of the image, pixels.
        overlap: how much of the smaller of two objects' boxes may be covered, in [0, 1).
    """
    while True:
        roles = cast()
        drawings = [sprites.get(role.style, role.concept.code) for role in roles]
        sizes = [_scaled(drawing, draw_scale(rng, len(roles)) * size) for drawing in drawings]
        boxes = place(rng, sizes, size, overlap)
        if boxes is None:
            continue
        background = _visible_background(rng, drawings, kinds, plain_share)
        image = paint(background, size)
        instances = np.zeros((size, size), dtype=np.uint8)
        for number, (role, drawing, box) in enumerate(zip(roles, drawings, boxes, strict=True), start=1):
            mirrored = role.concept.mirrors and rng.random() < 0.5
            _paste(image, instances, drawing, box, number, mirrored)
        visible = [_bounds(instances == number) for number in range(1, len(roles) + 1)]
        if None not in visible:
            return Painted(roles=roles, background=background, image=image, instances=instances, boxes=visible)  # type: ignore[arg-type]


def _scaled(sprite: Sprite, longest: float) -> tuple[int, int]:
    width, height = sprite.picture.size
    factor = longest / max(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _visible_background(
    rng: random.Random, drawings: list[Sprite], kinds: tuple[BackgroundKind, ...], plain_share: float
) -> Background:
    best, lowest = draw_background(rng, kinds, plain_share), 2.0
    background = best
    for _ in range(_BACKGROUND_TRIES):
        hidden = max(drawing.hidden[colour] for drawing in drawings for colour in background.colours)
        if hidden <= _HARD_TO_SEE:
            return background
        if hidden < lowest:
            best, lowest = background, hidden
        background = draw_background(rng, kinds, plain_share)
    return best


def _paste(
    image: NDArray[np.uint8], instances: NDArray[np.uint8], sprite: Sprite, box: PixelBox, number: int, mirrored: bool
) -> None:
    left, top, right, bottom = box
    pixels = np.asarray(sprite.picture.resize((right - left, bottom - top), Image.Resampling.BILINEAR))
    if mirrored:
        pixels = pixels[:, ::-1]
    alpha = pixels[..., 3]
    behind = image[top:bottom, left:right]
    kept = behind * (255 - alpha[..., None]).astype(np.uint16)
    # exact rounding of kept / 255 without a division
    kept += 128
    kept += kept >> 8
    image[top:bottom, left:right] = pixels[..., :3] + (kept >> 8).astype(np.uint8)
    instances[top:bottom, left:right][alpha >= 128] = number


def _bounds(mask: NDArray[np.bool_]) -> PixelBox | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
