"""Metric: what the autoencoder alone loses."""

from __future__ import annotations

from ildm.evaluation.estimates import mean
from ildm.evaluation.likeness import LIKENESS, likeness
from ildm.evaluation.metric import EvaluationSet, Figure


class Reconstruction:
    """PSNR, SSIM and the perceptual distance of encoded and decoded real images."""

    requires = frozenset({"scenes", "reconstructed"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Three figures, means over images: `psnr` in dB, `ssim`, `lite0-distance`."""
        assert samples.reconstructed is not None
        found = likeness(samples.real.network, samples.reconstructed.pixels, samples.real.pixels)
        interval = {"interval": "bootstrap of the mean over images"}
        return [Figure(name=name, estimate=mean(values), how={**LIKENESS[name], **interval}) for name, values in found.items()]
