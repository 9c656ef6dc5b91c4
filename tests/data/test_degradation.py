"""Small copies: clean ones are the bicubic filter's, spoilt ones are spoilt, and both depend on their random numbers alone."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.core.errors import ConfigError, ShapeError
from ildm.data.degradation import shrink


@pytest.fixture(scope="module")
def image():
    across = torch.arange(64).reshape(1, 1, 64).expand(3, 64, 64) * 4
    return across.clamp(max=255).to(torch.uint8).contiguous()


def test_a_clean_copy_is_bicubic(image):
    wanted = np.array(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((16, 16), Image.Resampling.BICUBIC))
    assert np.array_equal(shrink(image, 4, "bicubic", random.Random(0)).permute(1, 2, 0).numpy(), wanted)


def test_a_spoilt_copy_is_near_the_clean_one_but_not_it(image):
    clean = shrink(image, 4, "bicubic", random.Random(0)).float()
    errors = [(shrink(image, 4, "bsr", random.Random(number)).float() - clean).abs().mean().item() for number in range(30)]
    assert min(errors) > 0
    assert 1 < np.mean(errors) < 20
    again = [(shrink(image, 4, "bsr", random.Random(number)).float() - clean).abs().mean().item() for number in range(30)]
    assert again == errors


def test_what_cannot_be_shrunk_is_refused(image):
    with pytest.raises(ShapeError, match="cannot be made 5 times smaller"):
        shrink(image, 5, "bicubic", random.Random(0))
    with pytest.raises(ConfigError, match="degradation is bicubic or bsr, but 'jpeg'"):
        shrink(image, 4, "jpeg", random.Random(0))
