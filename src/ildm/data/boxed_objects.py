"""The objects that a table names in an image, each with its box."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ildm.data.tables import read_json

_LABEL_KEYS = ("label", "concept", "category", "name", "class")
Corners = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class BoxedObject:
    """An object as it was given.

    Args:
        corners: left, top, right, bottom.
        in_pixels: whether the corners are pixels of the image; else fractions of its sides.
    """

    label: str
    corners: Corners
    in_pixels: bool
    style: str = ""
    instance: int | None = None


def read_objects(value: Any) -> list[BoxedObject]:
    """The objects of one row, as a list, a table of columns, or either as JSON text.

    Raises:
        ValueError: saying what is wrong with one of them.
    """
    if isinstance(value, str):
        value = read_json(value) if value.strip() else []
    if isinstance(value, Mapping):
        # a table of columns instead of a list of rows
        columns = {key: column for key, column in value.items() if isinstance(column, list)}
        value = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if value is not None and not isinstance(value, list):
        raise ValueError(f"objects is a list, but {reprlib.repr(value)} was given")
    return [_read_object(one) for one in value or ()]


def _read_object(one: Any) -> BoxedObject:
    if not isinstance(one, Mapping):
        raise ValueError(
            "every object has a label and a box (left, top, right, bottom, as fractions) or bbox (x, y, width, height)"
        )
    label = " ".join(next((str(one[key]) for key in _LABEL_KEYS if key in one), "").split())
    corners = _four_numbers(one["box"] if "box" in one else one.get("bbox"))
    if "box" not in one:
        corners = (corners[0], corners[1], corners[0] + corners[2], corners[1] + corners[3])
    if not label or corners[2] <= corners[0] or corners[3] <= corners[1]:
        raise ValueError(f"the object {reprlib.repr(dict(one))} has no label or an empty box")
    if ";" in label:
        raise ValueError(
            f"the label {reprlib.repr(label)} has a semicolon, which parts the boxes of a prompt: write it without"
        )
    # things may reach out of the image, but not by a whole side of it
    if "box" in one and not all(-1 < side < 2 for side in corners):
        raise ValueError(
            f"a box is left, top, right and bottom as fractions of the image, but {_written(corners)} was given: use bbox (x, y, "
            "width, height) for pixels"
        )
    instance = one.get("instance")
    return BoxedObject(
        label=label,
        corners=corners,
        in_pixels="box" not in one,
        style=str(one.get("style") or ""),
        instance=instance if isinstance(instance, int) else None,
    )


def _written(corners: Corners) -> str:
    return " ".join(f"{side:g}" for side in corners)


def _four_numbers(value: Any) -> Corners:
    if not isinstance(value, list | tuple) or len(value) != 4 or not all(map(_is_number, value)):
        raise ValueError(f"a box is four numbers, but {reprlib.repr(value)} was given")
    return float(value[0]), float(value[1]), float(value[2]), float(value[3])


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False
