"""Regional Prompter's ratio strings: an image divided into boxes by a few numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from ildm.core.errors import ConfigError

Box = tuple[float, float, float, float]
"""Left, top, right and bottom border, in fractions of the image's width and height."""

Direction = Literal["columns", "rows"]
"""Columns: rows first, each a line of cells side by side. Rows: columns first, each a stack of cells."""

_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


class Group(NamedTuple):
    """A line of cells side by side, or a stack of them: its own size among the groups, and the sizes of its cells."""

    size: float
    cells: Sequence[float]


def split(ratios: str, mode: Direction = "columns", flip: bool = False) -> list[Box]:
    """The boxes that a ratio string divides an image into, in the order of their prompts.

    Without `;` the numbers are sizes along the mode: `1,2` is two columns side by side, or two rows one below the other. With
    `;` the image is divided twice, as matrices are written, `,` between what lies side by side and `;` between what lies one
    below the other. Columns divides into rows first, at `;`, and each row at `,`; Rows divides into columns first, at `,`, and
    each column at `;`. The first number of such a group is its own size, the others those of its cells; a lone number is a
    group of one cell. So `1,2,1,1;2,4,6` are a row of three cells, and below it one twice as high of two.

    Args:
        ratios: positive numbers, spaces allowed around them.
        flip: swap `,` and `;` before anything else.

    Returns:
        boxes that cover the image and do not overlap, group by group. Neighbours share a border to the last bit.

    Raises:
        ConfigError: for what is no positive number, or for one so small beside the others that its box would be empty.
    """
    rows = read_ratios(ratios, mode, flip, line="cells")
    return lay_out([Group(row[0], row[1:] or row) for row in rows], mode, ratios)


def read_ratios(
    ratios: str, mode: Direction, flip: bool = False, *, line: Literal["cells", "groups"] | None = None
) -> list[list[float]]:
    """The numbers of a ratio string, group by group, each group's own size before those of its cells; see `split`.

    Args:
        line: what the numbers are the sizes of where there is no `;`: the cells of one group, or groups of one cell; None = no
            exception is made.

    Raises:
        ConfigError: for what is no positive number.
    """
    text = ratios.translate(str.maketrans(",;", ";,")) if flip else ratios
    if line is not None and ";" not in text:
        sizes = _sizes(text.split(","), ratios)
        return [[1.0, *sizes]] if line == "cells" else [[size] for size in sizes]
    between_groups, between_cells = (";", ",") if mode == "columns" else (",", ";")
    return [_sizes(group.split(between_cells), ratios) for group in text.split(between_groups)]


def lay_out(groups: Sequence[Group], direction: Direction, given: str) -> list[Box]:
    """The boxes of groups of cells, as `split` returns them.

    Args:
        given: how to call the sizes in a sentence.

    Raises:
        ConfigError: for a size so small beside the others that its box would be empty.
    """
    bands = pairwise(_borders([group.size for group in groups], given))
    return [
        _box(along, band, swap=direction == "rows")
        for band, group in zip(bands, groups, strict=True)
        for along in pairwise(_borders(group.cells, given))
    ]


def _sizes(items: list[str], given: str) -> list[float]:
    sizes: list[float] = []
    for item in items:
        size = float(item) if _NUMBER.fullmatch(item.strip()) else 0.0
        if not 0.0 < size < float("inf"):
            raise ConfigError(
                f"Ratios are positive numbers as in '1,2,1' or '1,2,1,1;2,4,6', but {given!r} was given, where {item.strip()!r} is none."
            )
        sizes.append(size)
    return sizes


def _borders(sizes: Sequence[float], given: str) -> list[float]:
    """From 0 to 1, one more than there are sizes; their sum is the last of them, so that it is 1 exactly."""
    largest = max(sizes)  # the sum of large numbers would be infinite
    sums = list(accumulate((size / largest for size in sizes), initial=0.0))
    borders = [reached / sums[-1] for reached in sums]
    if any(start >= end for start, end in pairwise(borders)):
        raise ConfigError(
            f"Ratios are of similar size, but {given!r} was given, where a part is too small beside the others to see."
        )
    return borders


def _box(horizontal: tuple[float, float], vertical: tuple[float, float], *, swap: bool) -> Box:
    if swap:
        horizontal, vertical = vertical, horizontal
    return horizontal[0], vertical[0], horizontal[1], vertical[1]
