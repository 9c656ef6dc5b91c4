"""The evaluation network computes what its publishers' weights say, and says plainly when it cannot."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from ildm.core.efficientnet_lite import LITE0
from ildm.evaluation.network import load_lite0, prepare


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_features_are_the_pooled_maps_behind_the_last_convolution(images):
    network = load_lite0()
    expected = F.relu6(network.head(network.maps(images)[-1])).mean(dim=(2, 3))
    torch.testing.assert_close(network.features(images), expected)


def test_logits_are_the_published_classifier_on_the_features(images):
    published = torch.load(LITE0.weights_file, map_location="cpu", weights_only=True)
    expected = F.linear(load_lite0().features(images), published["_fc.weight"], published["_fc.bias"])
    torch.testing.assert_close(load_lite0().logits(images), expected)


def test_prepare_maps_the_image_range_to_the_published_one():
    black, white = torch.full((1, 3, 224, 224), -1.0), torch.full((1, 3, 224, 224), 1.0)
    torch.testing.assert_close(prepare(black), torch.full_like(black, -127 / 128))
    torch.testing.assert_close(prepare(white), torch.full_like(white, 128 / 128))


def test_shrinking_averages_instead_of_picking_pixels():
    stripes = torch.ones(1, 3, 896, 896)
    stripes[..., ::2] = -1
    assert prepare(stripes).shape == (1, 3, 224, 224)
    assert prepare(stripes).std() < 0.01


def test_maps_have_the_five_strides(images):
    assert [tuple(part.shape[1:]) for part in load_lite0().maps(images)] == [
        (16, 112, 112),
        (24, 56, 56),
        (40, 28, 28),
        (112, 14, 14),
        (320, 7, 7),
    ]


def test_it_takes_no_gradient_steps():
    assert not any(parameter.requires_grad for parameter in load_lite0().parameters())
