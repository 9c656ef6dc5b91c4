"""Holes to paint into are of their kind, never empty, and the same for the same random numbers."""

import random

import numpy as np
import pytest

from ildm.data.holes import HOLE_KINDS, draw_hole


def shares(kind, count=60, size=64):
    return np.array([draw_hole(random.Random(number), size, kind).mean() for number in range(count)])


@pytest.mark.parametrize("kind", HOLE_KINDS)
def test_a_hole_is_never_empty_and_never_everything(kind):
    found = shares(kind)
    assert found.min() > 0
    assert found.max() < 1


def test_thick_strokes_take_more_than_thin_ones():
    assert shares("thin").mean() < 0.2 < shares("thick").mean()


def test_boxes_have_straight_sides():
    hole = draw_hole(random.Random(4), 64, "box")
    rows = {tuple(row) for row in hole}
    # rows of a few boxes are alike: no more kinds than their sides make
    assert len(rows) <= 7


def test_the_same_numbers_draw_the_same_hole_and_all_kinds_come():
    assert np.array_equal(draw_hole(random.Random(3), 64), draw_hole(random.Random(3), 64))
    drawn = [draw_hole(random.Random(number), 64).mean() for number in range(90)]
    assert min(drawn) < 0.06
    assert max(drawn) > 0.3
