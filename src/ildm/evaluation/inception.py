"""Inception-v3 as it was released for TensorFlow on 5 December 2015: the network whose features earn a distance the name FID.

It is the network of Szegedy 2016 with three particulars that others of that name lack: it knows 1,008 classes, its average pools
count no padding, and the pool of its last block takes the largest value.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ildm.core.types import Image

SIDE = 299
WIDTH = 2048
CLASSES = 1008
RESIZE = f"bilinear from pixel centres, without antialiasing, to {SIDE}x{SIDE}"

_Kernel = int | tuple[int, int]


class Convolution(nn.Conv2d):
    """A convolution whose batch norm is folded into it, and a ReLU. Padded so that a stride of 1 keeps the size, unless told otherwise."""

    def __init__(self, channels_in: int, channels: int, kernel: _Kernel = 1, *, stride: int = 1, padded: bool = True) -> None:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (height // 2, width // 2) if padded else 0
        super().__init__(channels_in, channels, (height, width), stride=stride, padding=padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(super().forward(input))


class Mixed(nn.Module):
    """Branches that look at the same maps side by side; their channels are joined in the order given."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Inception(nn.Module):
    """Inception-v3 (Szegedy 2016, table 1) in the release of December 2015, for measuring only."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Convolution(3, 32, 3, stride=2, padded=False),
            Convolution(32, 32, 3, padded=False),
            Convolution(32, 64, 3),
            nn.MaxPool2d(3, stride=2),
            Convolution(64, 80),
            Convolution(80, 192, 3, padded=False),
            nn.MaxPool2d(3, stride=2),
            _mixed_35(192, 32),
            _mixed_35(256, 64),
            _mixed_35(288, 64),
            _to_17(288),
            *(_mixed_17(768, inner) for inner in (128, 160, 160, 192)),
            _to_8(768),
            _mixed_8(1280, _average()),
            _mixed_8(2048, nn.MaxPool2d(3, stride=1, padding=1)),
        )
        self.classifier = nn.Linear(WIDTH, CLASSES, bias=False)

    def features(self, images: Image) -> Float[Tensor, "batch 2048"]:
        """The pooled features behind the classifier, all >= 0, of images in [-1, 1] of any size, resized as `RESIZE` says."""
        return self.body(prepare(images)).mean(dim=(2, 3))

    def logits(self, features: Float[Tensor, "batch 2048"]) -> Float[Tensor, "batch 1008"]:
        """The scores of the classes without the classifier's bias, as the Inception score is defined on them (Salimans 2016)."""
        return self.classifier(features)


def prepare(images: Image) -> Float[Tensor, "batch 3 299 299"]:
    """Images in [-1, 1], which is the network's own scale, at its size.

    Programs that compute a FID resize in three ways and get three numbers. This is the way of most of those for PyTorch: bilinear between
    pixel centres, each output taken from four inputs. The original program also takes four, but lays the top left pixels on each other;
    "clean" FID (Parmar 2022) is bicubic and antialiased. At 299x299 all three are the same.
    """
    if images.shape[-2:] == (SIDE, SIDE):
        return images
    return F.interpolate(images, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def _average() -> nn.Module:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def _mixed_35(channels: int, pooled: int) -> Mixed:
    """At 35x35: two 3x3 kernels in place of one of 5x5 (Szegedy 2016, figure 5), and one of 5x5 beside them."""
    return Mixed(
        Convolution(channels, 64),
        nn.Sequential(Convolution(channels, 48), Convolution(48, 64, 5)),
        nn.Sequential(Convolution(channels, 64), Convolution(64, 96, 3), Convolution(96, 96, 3)),
        nn.Sequential(_average(), Convolution(channels, pooled)),
    )


def _to_17(channels: int) -> Mixed:
    """From 35x35 to 17x17, by convolutions and a pool side by side (figure 10)."""
    return Mixed(
        Convolution(channels, 384, 3, stride=2, padded=False),
        nn.Sequential(Convolution(channels, 64), Convolution(64, 96, 3), Convolution(96, 96, 3, stride=2, padded=False)),
        nn.MaxPool2d(3, stride=2),
    )


def _mixed_17(channels: int, inner: int) -> Mixed:
    """At 17x17: a row and a column of 7 in place of a square (figure 6)."""
    row, column = (1, 7), (7, 1)
    return Mixed(
        Convolution(channels, 192),
        nn.Sequential(Convolution(channels, inner), Convolution(inner, inner, row), Convolution(inner, 192, column)),
        nn.Sequential(
            Convolution(channels, inner),
            Convolution(inner, inner, column),
            Convolution(inner, inner, row),
            Convolution(inner, inner, column),
            Convolution(inner, 192, row),
        ),
        nn.Sequential(_average(), Convolution(channels, 192)),
    )


def _to_8(channels: int) -> Mixed:
    """From 17x17 to 8x8."""
    return Mixed(
        nn.Sequential(Convolution(channels, 192), Convolution(192, 320, 3, stride=2, padded=False)),
        nn.Sequential(
            Convolution(channels, 192),
            Convolution(192, 192, (1, 7)),
            Convolution(192, 192, (7, 1)),
            Convolution(192, 192, 3, stride=2, padded=False),
        ),
        nn.MaxPool2d(3, stride=2),
    )


def _mixed_8(channels: int, pool: nn.Module) -> Mixed:
    """At 8x8: a row and a column of 3 side by side (figure 7)."""

    def spread(channels_in: int) -> Mixed:
        return Mixed(Convolution(channels_in, 384, (1, 3)), Convolution(channels_in, 384, (3, 1)))

    return Mixed(
        Convolution(channels, 320),
        nn.Sequential(Convolution(channels, 384), spread(384)),
        nn.Sequential(Convolution(channels, 448), Convolution(448, 384, 3), spread(384)),
        nn.Sequential(pool, Convolution(channels, 192)),
    )
