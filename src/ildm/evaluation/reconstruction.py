"""How near an image comes to the one it should be: PSNR, SSIM, and a distance in the features of EfficientNet-Lite0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.types import Image
from ildm.evaluation.network import Lite0

PerImage = Float[Tensor, " batch"]
# the same shape, which is checked by hand: another one might broadcast in silence
Targets = Float[Tensor, "targets 3 target_height target_width"]

# images span [-1, 1]
_RANGE = 2.0
_WINDOW, _SIGMA = 11, 1.5
_K1, _K2 = 0.01, 0.03


def psnr(images: Image, targets: Targets) -> PerImage:
    """Peak signal-to-noise ratio of each image in decibels, images in [-1, 1]; identical images give infinity.

    Raises:
        ShapeError: when the two batches differ in shape.
    """
    _check(images, targets)
    error = (images.double() - targets.double()).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(_RANGE**2 / error)


def ssim(images: Image, targets: Targets) -> PerImage:
    """Structural similarity (Wang 2004, eq. 13) of each image, images in [-1, 1], averaged over positions and channels.

    An 11x11 Gaussian window of sigma 1.5 over every position where it fits wholly; weighted, not sample, covariances.

    Raises:
        ShapeError: when the two batches differ in shape or are smaller than the window.
    """
    _check(images, targets)
    if min(images.shape[-2:]) < _WINDOW:
        raise ShapeError(f"SSIM needs images of {_WINDOW}x{_WINDOW} or more, but {tuple(images.shape)} was given.")
    x, y = images.double(), targets.double()
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    c1, c2 = (_K1 * _RANGE) ** 2, (_K2 * _RANGE) ** 2
    similarity = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    )
    return similarity.mean(dim=(1, 2, 3))


def perceptual_distance(network: Lite0, images: Image, targets: Targets) -> PerImage:
    """How different two images look to a network that no training loss uses; 0 for identical images.

    The form of Zhang 2018, eq. 1, with equal weights: at the last feature map of each stride 2, 4, 8, 16 and 32 the
    vectors are scaled to unit length over the channels, and the squared differences are summed over the channels,
    averaged over positions, and averaged over the five maps. Both images pass `network.prepare`.

    Raises:
        ShapeError: when the two batches differ in shape.
    """
    return torch.stack([difference.mean(dim=(1, 2)) for difference in _differences(network, images, targets)]).mean(dim=0)


def perceptual_distances_within(
    network: Lite0, images: Image, targets: Targets, areas: Sequence[Bool[Tensor, "batch area_height area_width"]]
) -> list[PerImage]:
    """`perceptual_distance` in parts of the images: one table for each of the areas.

    At each feature map a position weighs as much as the share of its cell that lies in the area. The vectors see some way beyond their
    cells, and so beyond the area.

    Raises:
        ShapeError: when the two batches differ in shape.
    """
    differences = _differences(network, images, targets)
    return [torch.stack([_weighted(one, area) for one in differences]).mean(dim=0) for area in areas]


def _differences(network: Lite0, images: Tensor, targets: Tensor) -> list[Tensor]:
    """How far the unit vectors are apart at each position of each feature map, (batch, rows, columns)."""
    _check(images, targets)
    return [
        (F.normalize(ours, dim=1, eps=1e-8) - F.normalize(theirs, dim=1, eps=1e-8)).square().sum(dim=1)
        for ours, theirs in zip(network.maps(images), network.maps(targets), strict=True)
    ]


def _weighted(differences: Tensor, area: Tensor) -> Tensor:
    rows, columns = differences.shape[1:]
    weights = F.adaptive_avg_pool2d(area[:, None].float(), (rows, columns))[:, 0]
    return (differences * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2)).clamp(min=1e-12)


def _check(images: Tensor, targets: Tensor) -> None:
    if images.shape != targets.shape or images.ndim != 4:
        raise ShapeError(
            f"Images of shape {tuple(images.shape)} cannot be compared with {tuple(targets.shape)}: give two batches "
            "(B, 3, H, W) of the same shape."
        )


def _blur(x: Tensor) -> Tensor:
    offsets = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    window = window / window.sum()
    batch, channels, height, width = x.shape
    planes = x.reshape(batch * channels, 1, height, width)
    planes = F.conv2d(F.conv2d(planes, window.view(1, 1, 1, -1)), window.view(1, 1, -1, 1))
    return planes.reshape(batch, channels, *planes.shape[-2:])
