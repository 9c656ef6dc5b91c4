"""Boxes in rows of cells, or in columns of cells: found, given the sizes that were asked for, and written as ratios."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from math import lcm

from ildm.conditioning.ratios import Box, Direction, Group, lay_out
from ildm.core.errors import ConfigError

_PLACES = 10**12
_LARGEST_DENOMINATOR = 5_000  # a larger one could lie halfway between two numbers of 12 decimals, as 1 / 8192 does


def groups(boxes: Sequence[Box], direction: Direction) -> list[list[Box]]:
    """Boxes that share both borders of one row (columns), or of one column (rows), in order."""
    first = 1 if direction == "columns" else 0
    return [list(group) for _, group in groupby(boxes, key=lambda box: (box[first], box[first + 2]))]


def even(counts: Sequence[int], direction: Direction) -> list[Box]:
    """As many cells in each group as `counts` says, all groups of one size and the cells of each group too."""
    return lay_out([Group(1.0, [1.0] * count) for count in counts], direction, "")


def filled(rows: Sequence[Sequence[float]], counts: Sequence[int], direction: Direction, given: str) -> list[Box]:
    """As many cells in each group as `counts` says, of the sizes in `rows`, as Regional Prompter fits the two together.

    Where a row has too few numbers for its cells, the last one stands for the others too; where it has more, they go on in the next
    group, its own size first. Groups without a row are as large as the last one, and their cells alike. What is left over is not used.

    Args:
        rows: see `ildm.conditioning.ratios.read_ratios`.
        given: how to call the sizes in a sentence.
    """
    groups: list[Group] = []
    for row in rows:
        rest = row
        while rest and len(groups) < len(counts):
            count, cells = counts[len(groups)], list(rest[1:] or rest)
            groups.append(Group(rest[0], [*cells[:count], *cells[-1:] * (count - len(cells))]))
            rest = cells[count:]
    groups += [Group(groups[-1].size, [1.0] * count) for count in counts[len(groups) :]]
    return lay_out(groups, direction, given)


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
