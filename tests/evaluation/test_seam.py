"""Seams, bands and what OpenCV and filters do, against closed forms."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from ildm.core.picture import to_floats
from ildm.evaluation.classical import FILLINGS, FILTERS, enlarge, fill_hole
from ildm.evaluation.network import load_lite0
from ildm.evaluation.reconstruction import perceptual_distance, perceptual_distances_within
from ildm.evaluation.seam import band_around, seam


@pytest.fixture
def hole():
    hole = torch.zeros(32, 32, dtype=torch.bool)
    hole[8:16, 8:16] = True
    return hole


def test_a_seam_is_the_step_across_the_border(hole):
    pixels = torch.full((3, 32, 32), 50, dtype=torch.uint8)
    assert seam(pixels, hole) == 0
    pixels[:, hole] = 80
    assert seam(pixels, hole) == 30
    # one channel of three, and half of the border
    pixels[1:] = 50
    pixels[0, :12] = 50
    assert seam(pixels, hole) == pytest.approx(30 / 3 / 2)
    # what changes elsewhere is not seen
    pixels[:, 0] = 200
    pixels[:, 11, 11] = 0
    assert seam(pixels, hole) == pytest.approx(30 / 3 / 2)
    assert seam(pixels, torch.ones_like(hole)) == 0


def test_a_band_lies_outside_and_is_as_wide_as_said(hole):
    band = band_around(hole, 2)
    assert not (band & hole).any() and int(band.sum()) == 12 * 12 - 8 * 8


@pytest.mark.parametrize("filling", FILLINGS)
def test_opencv_fills_the_hole_from_its_rim_and_leaves_the_rest(filling, hole):
    pixels = torch.full((3, 32, 32), 50, dtype=torch.uint8)
    pixels[:, :, 20:] = torch.arange(36, dtype=torch.uint8).reshape(3, 1, 12)
    spoilt = pixels.clone()
    spoilt[:, hole] = 255
    filled = fill_hole(spoilt, hole, filling)
    assert torch.equal(filled[:, ~hole], pixels[:, ~hole])
    # Telea's weights leave a step or two
    assert (filled[:, hole].int() - 50).abs().max() <= 3
    assert torch.equal(filled, fill_hole(spoilt, hole, filling))


@pytest.mark.parametrize("name", FILTERS)
def test_filters_enlarge(name):
    made = enlarge(Image.new("RGB", (8, 8), (10, 200, 30)), 32, name)
    assert made.shape == (3, 32, 32) and made[:, 5, 5].tolist() == [10, 200, 30]


def test_distance_within_an_area_is_the_whole_one_in_all_and_none_where_nothing_differs():
    network = load_lite0()
    draws = torch.Generator().manual_seed(0)
    targets = to_floats(torch.randint(0, 256, (1, 3, 64, 64), generator=draws, dtype=torch.uint8))
    images = targets.clone()
    images[:, :, :16, :16] = 0
    near, far = torch.zeros(2, 1, 64, 64, dtype=torch.bool)
    near[:, :16, :16], far[:, 48:, 48:] = True, True
    within = perceptual_distances_within(network, images, targets, [torch.ones_like(near), near, far])
    whole = perceptual_distance(network, images, targets)
    torch.testing.assert_close(within[0], whole)
    assert within[1] > 2 * whole and within[2] < whole / 2
