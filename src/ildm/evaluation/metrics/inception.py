"""Metrics that only the usual Inception network earns their names: FID and the Inception score."""

from __future__ import annotations

from torch import Tensor

from ildm.evaluation.images import Images
from ildm.evaluation.inception import CLASSES, RESIZE, WIDTH
from ildm.evaluation.inception_score import SPLITS, inception_score
from ildm.evaluation.inception_weights import WEIGHTS_SHA256
from ildm.evaluation.intervals import t_interval
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.metrics.distance import frechet, others

_NETWORK = {"resize": RESIZE, "weights sha256": WEIGHTS_SHA256}


class FID:
    """The Frechet distance between Inception-v3's pooled features (Heusel 2017)."""

    requires = frozenset({"generated", "reference", "inception"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """One figure, `fid`, with the floor of two real samples of that size and the autoencoder's own beside it."""
        assert samples.generated is not None and samples.reference is not None and samples.inception is not None
        features = samples.inception.of
        reference = features(samples.reference)
        how = {"network": f"Inception-v3 of December 2015, {WIDTH} pooled features", **_NETWORK}
        return [
            Figure(
                name="fid",
                estimate=frechet(features(samples.generated), reference),
                # the interval costs ten more distances, so what stands beside goes without
                beside={
                    words: frechet(features(images), reference, interval=False) for words, images in others(samples).items()
                },
                how=how | {"covariance": "divided by N - 1", "interval": "jackknife over 10 groups"},
            )
        ]


class InceptionScore:
    """Whether each image is of one of the classes of ImageNet, and all of them together of many (Salimans 2016)."""

    requires = frozenset({"scenes", "generated", "inception"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """One figure, `inception-score`: the mean over ten parts, with their standard deviation and the real images' score beside it."""
        assert samples.generated is not None and samples.inception is not None
        inception = samples.inception

        def scores(images: Images) -> Tensor:
            return inception_score(inception.logits(images))

        ours, count = scores(samples.generated), len(samples.generated)
        beside = {f"standard deviation over {SPLITS} parts": Estimate(value=ours.std(correction=0).item(), count=count)}
        for words, images in {"real images": samples.real, "reconstructions of real images": samples.reconstructed}.items():
            if images is not None:
                beside[words] = Estimate(value=scores(images).mean().item(), count=len(images))
        how = {
            "network": f"Inception-v3 of December 2015, {CLASSES} classes, logits without the bias",
            **_NETWORK,
            "parts": f"{SPLITS}, in the order drawn",
            "interval": f"Student's t over the {SPLITS} parts",
        }
        return [
            Figure(
                name="inception-score",
                estimate=Estimate(value=ours.mean().item(), count=count, interval=t_interval(ours)),
                beside=beside,
                how=how,
            )
        ]
