"""A crop holds its thing whole, in proportion, on the colour around it."""

from __future__ import annotations

import pytest
import torch

from ildm.evaluation.crops import crop


def test_a_thing_is_enlarged_in_proportion_and_its_neighbour_is_left_out():
    pixels = torch.full((3, 64, 64), 100, dtype=torch.uint8)
    pixels[:, 10:26, 8:16] = 200
    pixels[:, 10:26, 40:60] = 0
    made = crop(pixels, (8 / 64, 10 / 64, 16 / 64, 26 / 64))
    assert made.shape == pixels.shape
    down, across = (made[0] > 150).nonzero(as_tuple=True)
    height, width = int(down.max() - down.min()) + 1, int(across.max() - across.min()) + 1
    # 16 pixels with one above and one below are three quarters of the side
    assert height == pytest.approx(16 / 18 * 48, abs=2) and width == pytest.approx(height / 2, abs=2)
    assert made.min() >= 99 and made[0, 0, 0] == 100


def test_what_is_not_the_things_own_is_painted_over():
    pixels = torch.full((3, 64, 64), 100, dtype=torch.uint8)
    where = torch.zeros(64, 64, dtype=torch.bool)
    where[10:30, 10:30] = True
    pixels[:, 10:30, 10:30] = 200
    pixels[:, 10:12, 31:33] = 0
    made = crop(pixels, (10 / 64, 10 / 64, 30 / 64, 30 / 64), where)
    assert set(made.unique().tolist()) <= set(range(100, 201)) and made.max() == 200


def test_an_empty_place_shows_no_outline():
    pixels = torch.full((3, 64, 64), 100, dtype=torch.uint8)
    where = torch.eye(64, dtype=torch.bool)
    assert (crop(pixels, (0.0, 0.0, 1.0, 1.0), where) == 100).all()


@pytest.mark.parametrize("box", [(0.0, 0.0, 1.0, 1.0), (0.999, 0.999, 1.0, 1.0), (0.0, 0.5, 0.01, 0.51)])
def test_boxes_at_the_border_and_tiny_ones_are_no_error(box):
    pixels = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
    assert crop(pixels, box).shape == pixels.shape
    assert crop(pixels, box, torch.ones(64, 64, dtype=torch.bool)).shape == pixels.shape
