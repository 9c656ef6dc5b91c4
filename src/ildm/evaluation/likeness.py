"""How near images come to those they should be, image by image, in three measures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ildm.core.picture import to_floats
from ildm.evaluation.images import Pixels
from ildm.evaluation.network import RESIZE, Lite0
from ildm.evaluation.reconstruction import perceptual_distance, psnr, ssim

_BATCH = 16
# an exact copy has infinitely many decibels, which no mean survives
_MOST_DB = 100.0
LIKENESS: Mapping[str, Mapping[str, str]] = {
    "psnr": {"unit": f"dB, at most {_MOST_DB:.0f}", "range": "bytes, 0 to 255, all channels together"},
    "ssim": {"window": "11x11 Gaussian, sigma 1.5", "channels": "averaged"},
    "lite0-distance": {
        "network": "EfficientNet-Lite0, last maps of strides 2 to 32, unit vectors, equal weights",
        "resize": RESIZE,
    },
}
"""The measures, and what one must know to take them again."""


def likeness(network: Lite0, pixels: Pixels, targets: Pixels) -> dict[str, Tensor]:
    """Each measure for each image, (count,), in float64 on the CPU."""
    device = network.classifier.weight.device
    parts: dict[str, list[Tensor]] = {name: [] for name in LIKENESS}
    with torch.no_grad():
        for ours, real in zip(pixels.split(_BATCH), targets.split(_BATCH), strict=True):
            images, wanted = to_floats(ours.to(device)), to_floats(real.to(device))
            parts["psnr"].append(psnr(images, wanted).clamp(max=_MOST_DB))
            parts["ssim"].append(ssim(images, wanted))
            parts["lite0-distance"].append(perceptual_distance(network, images, wanted))
    return {name: torch.cat(values).double().cpu() for name, values in parts.items()}
