"""Large tables made a few rows at a time, so that memory grows with what is compared and not with its square."""

from __future__ import annotations

from collections.abc import Iterator

MOST = 2**23
"""Numbers of a table that are there at once: 64 MiB in float64."""


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices that take the rows of a table in order, each with at most `MOST` numbers in it, but a row at least."""
    step = max(1, MOST // max(1, columns))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))
