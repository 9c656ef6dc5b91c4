"""Sizes that are refused come with sizes that are not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ildm.core.errors import ShapeError
from ildm.core.shapes import check_size


@given(st.integers(-9, 300), st.integers(-9, 300), st.integers(1, 64), st.integers(1, 4), st.none() | st.integers(1, 3))
def test_what_is_suggested_can_be_drawn(width, height, multiple, parts, long):
    rules = {"long": None if long is None else long * multiple * parts, "finer": multiple}
    try:
        check_size(width, height, multiple * parts, **rules)
    except ShapeError as error:
        sizes = re.findall(r"(\d+)x(\d+)", str(error).partition("try ")[2])
        assert sizes
        for wide, high in sizes:
            check_size(int(wide), int(high), multiple * parts, **rules)


def test_long_sides_may_be_finer():
    for size in ((64, 64), (72, 64), (72, 1000)):
        check_size(*size, 32, long=64, finer=8)
    with pytest.raises(ShapeError, match=r"multiples of 32, those above 64 of 8: try 72x32 or 72x64\."):
        check_size(72, 40, 32, long=64, finer=8)
