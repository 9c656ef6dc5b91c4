"""Metric: what the autoencoder alone loses."""

from __future__ import annotations

import torch
from torch import Tensor

from ildm.core.picture import to_floats
from ildm.evaluation.intervals import bootstrap_mean
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.network import RESIZE
from ildm.evaluation.reconstruction import perceptual_distance, psnr, ssim

_BATCH = 16
# an exact copy has infinitely many decibels, which no mean survives
_MOST_DB = 100.0
_HOW = {
    "psnr": {"unit": f"dB, at most {_MOST_DB:.0f}", "range": "bytes, 0 to 255, all channels together"},
    "ssim": {"window": "11x11 Gaussian, sigma 1.5", "channels": "averaged"},
    "lite0-distance": {
        "network": "EfficientNet-Lite0, last maps of strides 2 to 32, unit vectors, equal weights",
        "resize": RESIZE,
    },
}


class Reconstruction:
    """PSNR, SSIM and the perceptual distance of encoded and decoded real images."""

    requires = frozenset({"scenes", "reconstructed"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Three figures, means over images: `psnr` in dB, `ssim`, `lite0-distance`."""
        assert samples.reconstructed is not None
        network = samples.real.network
        device = network.classifier.weight.device
        parts: dict[str, list[Tensor]] = {name: [] for name in _HOW}
        with torch.no_grad():
            pairs = zip(samples.reconstructed.pixels.split(_BATCH), samples.real.pixels.split(_BATCH), strict=True)
            for ours, real in pairs:
                images, targets = to_floats(ours.to(device)), to_floats(real.to(device))
                parts["psnr"].append(psnr(images, targets).clamp(max=_MOST_DB))
                parts["ssim"].append(ssim(images, targets))
                parts["lite0-distance"].append(perceptual_distance(network, images, targets))
        return [_figure(name, torch.cat(values).double().cpu()) for name, values in parts.items()]


def _figure(name: str, values: Tensor) -> Figure:
    estimate = Estimate(value=values.mean().item(), count=len(values), interval=bootstrap_mean(values))
    return Figure(name=name, estimate=estimate, how=_HOW[name] | {"interval": "bootstrap of the mean over images"})
