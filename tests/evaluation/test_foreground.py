"""What is no background is told by the image's own border, whatever the background, and its boxes are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ildm.data.backgrounds import Background, paint
from ildm.evaluation.foreground import drawn_boxes, foreground, overlap

BACKGROUNDS = [
    Background(kind="plain", colours=("blue",)),
    *(Background(kind="gradient", colours=("white", "teal"), angle=angle) for angle in (0.0, 0.5, 1.0)),
    Background(kind="checker", colours=("green", "yellow"), cells=5),
    Background(kind="stripes", colours=("pink", "black"), angle=0.5, cells=6),
]


def scene(background, *boxes, side=64):
    """A background with red-violet boxes in pixels."""
    pixels = paint(background, side)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = (255, 0, 200)
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)


@pytest.mark.parametrize("background", BACKGROUNDS, ids=lambda one: f"{one.kind} {one.angle}")
def test_foreground_is_what_the_border_has_not(background):
    found = foreground(scene(background, (10, 20, 30, 50)))
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[20:50, 10:30] = True
    assert torch.equal(found, expected)
    assert not foreground(scene(background)).any()


def test_an_image_of_noise_is_no_error():
    noise = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert foreground(noise).shape == (64, 64)


def test_each_box_gets_what_lies_in_it_or_nearest_and_specks_are_left_out():
    found = torch.zeros(64, 64, dtype=torch.bool)
    found[8:24, 8:24] = found[40:60, 34:62] = True
    found[2, 2] = found[30, 30] = True
    first, second, third = drawn_boxes(found, [(0.1, 0.1, 0.4, 0.4), (0.5, 0.6, 0.9, 0.9), (0.8, 0.0, 1.0, 0.1)])
    # a corner of a block has four neighbours and counts as a speck, but its sides do not
    assert first == (8 / 64, 8 / 64, 24 / 64, 24 / 64)
    assert second == (34 / 64, 40 / 64, 62 / 64, 60 / 64)
    assert third is None


def test_overlap_is_intersection_over_union():
    assert overlap((0, 0, 0.5, 0.5), (0, 0, 0.5, 0.5)) == 1
    assert overlap((0, 0, 0.5, 1), (0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0.2, 0.2), (0.5, 0.5, 1, 1)) == 0
    assert overlap(None, (0.5, 0.5, 1, 1)) == 0
