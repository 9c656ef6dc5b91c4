"""Maps at the size of latents: what fills most of each cell."""

from __future__ import annotations

import numpy as np
from jaxtyping import Integer
from numpy.typing import NDArray
from torch import Tensor

from ildm.core.errors import DataError, ShapeError

LARGEST_CLASS = 32767
"""The last number of a class that the maps of latents can hold."""


def fill_cells(classes: Integer[Tensor, "height width"], grid: tuple[int, int]) -> NDArray[np.int16]:
    """The class that fills most of each cell; of two that fill as much, the lower one.

    Args:
        classes: (height, width), 0 to `LARGEST_CLASS`.
        grid: (rows, columns), each a divisor of the map's side.

    Raises:
        ShapeError: when the cells do not fit the map.
        DataError: for a number that is no class.
    """
    values = classes.numpy()
    (height, width), (rows, columns) = values.shape, grid
    if height % rows or width % columns:
        raise ShapeError(f"A map of {width}x{height} pixels has no {columns}x{rows} equal cells.")
    cells = values.reshape(rows, height // rows, columns, width // columns)
    present = np.unique(values)
    wrong = next((int(one) for one in present if not 0 <= one <= LARGEST_CLASS), None)
    if wrong is not None:
        raise DataError(f"A map holds the number {wrong}, but classes lie between 0 and {LARGEST_CLASS}: number them anew.")
    counts = np.stack([(cells == one).sum(axis=(1, 3)) for one in present])  # (classes, rows, columns)
    return present[counts.argmax(axis=0)].astype(np.int16)
