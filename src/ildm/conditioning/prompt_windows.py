"""Long prompts: a text encoder reads 75 tokens at a time, so a longer prompt is cut where it reads best."""

from __future__ import annotations

from collections.abc import Sequence

Unit = tuple[int, ...]
"""Token numbers that stay in one window: one, or the vectors of an added word."""

LOOK_BACK = 20
"""A comma among this many last tokens of a full window is where it ends, as people know it from AUTOMATIC1111's program."""


def cut_into_windows(units: Sequence[Unit], length: int, *, comma: int | None = None) -> list[slice]:
    """Which units go into each window of at most `length` numbers, in order; no units make one empty window.

    Args:
        units: none of them longer than `length`.
        comma: number of the comma; None = a vocabulary without one.
    """
    windows: list[slice] = []
    start = 0
    while start < len(units) or not windows:
        stop = _end_of_window(units, start, length, comma)
        windows.append(slice(start, stop))
        start = stop
    return windows


def _end_of_window(units: Sequence[Unit], start: int, length: int, comma: int | None) -> int:
    stop, room = start, length
    while stop < len(units) and len(units[stop]) <= room:
        room -= len(units[stop])
        stop += 1
    # with room left an added word did not fit: it begins the next window, wherever the commas are
    if stop == len(units) or room or units[stop] == (comma,):
        return stop
    behind = 0
    for place in range(stop - 1, start - 1, -1):
        behind += len(units[place])
        if behind > LOOK_BACK:
            break
        if units[place] == (comma,):
            return place + 1
    return stop
