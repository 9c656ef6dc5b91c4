"""Maps at the size of latents."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ildm.core.errors import ShapeError
from ildm.data.cells import fill_cells


@given(arrays(np.int16, (8, 12), elements=st.integers(0, 4)))
def test_a_cell_has_the_class_that_fills_most_of_it(values):
    filled = fill_cells(torch.from_numpy(values), (2, 3))
    for row in range(2):
        for column in range(3):
            cell = values[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            counts = np.bincount(cell.ravel(), minlength=5)
            assert filled[row, column] == counts.argmax()


def test_cells_that_do_not_fit_are_refused():
    with pytest.raises(ShapeError, match="12x8 pixels has no 5x2 equal cells"):
        fill_cells(torch.zeros(8, 12, dtype=torch.int16), (2, 5))
