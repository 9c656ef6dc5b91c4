"""Metrics: how far the model's images are, as a set, from a split's real ones."""

from __future__ import annotations

from torch import Tensor

from ildm.evaluation.distances import frechet_distance, kernel_distance, kernel_distance_interval, principal_directions
from ildm.evaluation.images import Images
from ildm.evaluation.intervals import jackknife
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.network import RESIZE

_NETWORK = {"network": "EfficientNet-Lite0, 1280 pooled features", "resize": RESIZE}
_COMPONENTS = 64


class KernelDistance:
    """KID on EfficientNet-Lite0's features, unbiased."""

    requires = frozenset({"generated", "reference"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """One figure, `kid-lite0`, with the autoencoder's own and the floor beside it."""
        assert samples.generated is not None and samples.reference is not None
        reference = samples.reference.features

        def measured(images: Images) -> Estimate:
            return Estimate(
                value=kernel_distance(images.features, reference),
                count=min(len(images), len(reference)),
                interval=kernel_distance_interval(images.features, reference),
            )

        how = _NETWORK | {"kernel": "(x.y / 1280 + 1)^3", "estimate": "unbiased", "interval": "200 half-sized subsets"}
        beside = {words: measured(images) for words, images in others(samples).items()}
        return [Figure(name="kid-lite0", estimate=measured(samples.generated), beside=beside, how=how)]


class FrechetDistance:
    """The Frechet distance on EfficientNet-Lite0's features, all of them and the reference's first 64 components."""

    requires = frozenset({"generated", "reference"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures, `fd-lite0` and `fd-lite0-64`."""
        assert samples.generated is not None and samples.reference is not None
        reference = samples.reference.features.double()
        basis = principal_directions(reference, _COMPONENTS)
        compared = {words: images.features.double() for words, images in others(samples).items()}
        ours = samples.generated.features.double()
        how = _NETWORK | {"interval": "jackknife over 10 groups"}
        along = {"components": f"first {_COMPONENTS} principal components of the reference, held fixed for the interval"}
        return [
            Figure(
                name="fd-lite0",
                estimate=frechet(ours, reference),
                # the interval costs ten more distances, so what stands beside goes without
                beside={words: frechet(rows, reference, interval=False) for words, rows in compared.items()},
                how=how,
            ),
            Figure(
                name=f"fd-lite0-{_COMPONENTS}",
                estimate=frechet(ours @ basis, reference @ basis),
                beside={words: frechet(rows @ basis, reference @ basis) for words, rows in compared.items()},
                how=how | along,
            ),
        ]


def frechet(rows: Tensor, reference: Tensor, *, interval: bool = True) -> Estimate:
    """The Frechet distance of two tables of features, (count, width) each, with the interval of a jackknife."""
    return Estimate(
        value=frechet_distance(rows, reference),
        count=min(len(rows), len(reference)),
        interval=jackknife(frechet_distance, rows, reference) if interval else None,
    )


def others(samples: EvaluationSet) -> dict[str, Images]:
    """The images whose distances also stand in the report: other real ones, and what the autoencoder leaves of them."""
    found = {"floor: real images": samples.real}
    if samples.reconstructed is not None:
        found["reconstructions of real images"] = samples.reconstructed
    return found
