"""The border tells the background's colours, whatever stands inside."""

from __future__ import annotations

import torch

from ildm.data.backgrounds import COLOURS, Background, paint
from ildm.data.sample import Sample
from ildm.evaluation.background import background_of, border_colours


def painted(kind, *colours, **options):
    return torch.from_numpy(paint(Background(kind=kind, colours=colours, **options), 64)).permute(2, 0, 1)


def test_every_plain_colour_is_read():
    for name in COLOURS:
        assert border_colours(painted("plain", name), 1) == {name}


def test_two_colours_are_read_from_patterns():
    assert border_colours(painted("checker", "red", "teal", cells=7), 2) == {"red", "teal"}
    assert border_colours(painted("stripes", "pink", "black", cells=5, angle=0.5), 2) == {"pink", "black"}


def test_objects_and_noise_do_not_mislead():
    pixels = painted("plain", "blue").float()
    pixels[:, 4:-4, 4:-4] = 250
    pixels += 12 * torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0))
    assert border_colours(pixels.clamp(0, 255).to(torch.uint8), 1) == {"blue"}


def test_gradients_are_not_judged():
    def sample(source):
        return Sample(image=torch.zeros(3, 8, 8, dtype=torch.uint8), captions=("",), source=source)

    assert background_of(sample("checker: red, blue")) == ("checker", {"red", "blue"})
    assert background_of(sample("gradient: red, blue")) is None
    assert background_of(sample("holiday.jpg")) is None
