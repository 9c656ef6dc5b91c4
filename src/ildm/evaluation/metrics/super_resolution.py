"""Metric: is a picture that was drawn larger nearer to the real one than what a filter makes of the small one?"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ildm.evaluation.asking import Ask, derangement
from ildm.evaluation.classical import FILTERS, enlarge
from ildm.evaluation.estimates import difference, mean
from ildm.evaluation.images import Pixels
from ildm.evaluation.likeness import LIKENESS, likeness
from ildm.evaluation.metric import EvaluationSet, Figure

_CEILING, _CONTROL = "reconstructions of real renders", "shuffled small pictures"


class SuperResolution:
    """PSNR, SSIM and the perceptual distance to the real image: of the model, of two filters, and of the autoencoder alone."""

    requires = frozenset({"scenes", "generated", "reconstructed", "small picture"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Three figures, means over images: `super-resolution-psnr` in dB, `super-resolution-ssim`, `super-resolution-lite0-distance`."""
        assert samples.generated is not None and samples.reconstructed is not None and samples.asked is not None
        network, real = samples.real.network, samples.real.pixels
        ours = likeness(network, samples.generated.pixels, real)
        others = {name: likeness(network, _enlarged(samples.asked, real.shape[-1], name), real) for name in FILTERS}
        others[_CEILING] = likeness(network, samples.reconstructed.pixels, real)
        # an image drawn from one small picture, held against the real image of another
        shuffled = likeness(network, samples.generated.pixels, real[derangement(len(real))])
        interval = {"interval": "bootstrap of the mean over images; of differences, image by image"}
        return [
            Figure(
                name=f"super-resolution-{measure}",
                estimate=mean(ours[measure]),
                beside={words: mean(values[measure]) for words, values in others.items()}
                | {_CONTROL: mean(shuffled[measure])}
                | {f"minus {words}": difference(ours[measure], values[measure]) for words, values in others.items()},
                how={
                    **LIKENESS[measure],
                    **interval,
                    "filters": "Pillow",
                    _CONTROL: "every image compared with the real one of another",
                },
            )
            for measure in LIKENESS
        ]


def _enlarged(asked: Sequence[Ask], side: int, name: str) -> Pixels:
    return torch.stack([enlarge(ask.image, side, name) for ask in asked if ask.image is not None])
