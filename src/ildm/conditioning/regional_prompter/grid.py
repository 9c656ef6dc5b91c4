"""Boxes in rows of cells, or in columns of cells: found, divided evenly, and written as ratios."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from math import lcm
from typing import Literal

from ildm.conditioning.ratios import Box, split
from ildm.core.errors import ConfigError

Direction = Literal["columns", "rows"]
"""Columns: rows first, each a line of cells side by side. Rows: columns first, each a stack of cells."""

_PLACES = 10**12
_LARGEST_DENOMINATOR = 5_000  # a larger one could lie halfway between two numbers of 12 decimals, as 1 / 8192 does


def groups(boxes: Sequence[Box], direction: Direction) -> list[list[Box]]:
    """Boxes that share both borders of one row (columns), or of one column (rows), in order."""
    first = 1 if direction == "columns" else 0
    return [list(group) for _, group in groupby(boxes, key=lambda box: (box[first], box[first + 2]))]


def even(counts: Sequence[int], direction: Direction) -> list[Box]:
    """As many cells in each group as `counts` says, all groups of one size and the cells of each group too."""
    return split(_written([(1, [1] * count) for count in counts], direction), direction)


def write_ratios(boxes: Sequence[Box]) -> tuple[str, Direction]:
    """The ratios and the direction that `split` makes these boxes of, to 12 decimals.

    Raises:
        ConfigError: when the boxes are no grid of rows of cells or columns of cells, in order and without a gap.
    """
    directions: tuple[Direction, ...] = ("columns", "rows")
    for direction in directions:
        found = groups(boxes, direction)
        across, along = (1, 0) if direction == "columns" else (0, 1)
        bands = _sizes([(group[0][across], group[0][across + 2]) for group in found])
        cells = [_sizes([(box[along], box[along + 2]) for box in group]) for group in found]
        if bands and all(cells):
            return _written(list(zip(bands, cells, strict=True)), direction), direction
    raise ConfigError(
        "Ratios describe boxes that fill the image as rows of cells or columns of cells, from the top left on, "
        "but the areas of this division do not: write them as a colour mask."
    )


def _written(sizes: Sequence[tuple[int, Sequence[int]]], direction: Direction) -> str:
    """Ratios of groups: each its own size and those of its cells."""
    between_groups, between_cells = (";", ",") if direction == "columns" else (",", ";")
    if len(sizes) == 1:
        return ",".join(map(str, sizes[0][1]))
    return between_groups.join(
        between_cells.join(map(str, [size, *cells] if len(cells) > 1 else [size])) for size, cells in sizes
    )


def _sizes(stretches: Sequence[tuple[float, float]]) -> list[int]:
    """Whole numbers in the ratio of stretches that follow one another from 0 to 1, small ones if there are; none if they do not."""
    if stretches[0][0] != 0 or stretches[-1][1] != 1 or any(one[1] != other[0] for one, other in pairwise(stretches)):
        return []
    borders = [0.0, *(end for _, end in stretches)]
    simple = [Fraction(border).limit_denominator(_LARGEST_DENOMINATOR) for border in borders]
    whole = lcm(*(fraction.denominator for fraction in simple))
    if whole > _LARGEST_DENOMINATOR or any(
        round(float(near), 12) != border for near, border in zip(simple, borders, strict=True)
    ):
        whole, simple = _PLACES, [Fraction(round(border * _PLACES), _PLACES) for border in borders]
    return [int((after - before) * whole) for before, after in pairwise(simple)]
