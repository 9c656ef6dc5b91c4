"""Metrics: how far the model's images are, as a set, from a split's real ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ildm.evaluation.distances import (
    Features,
    frechet_distance,
    frechet_distance_principal,
    kernel_distance,
    kernel_distance_interval,
)
from ildm.evaluation.images import Images
from ildm.evaluation.intervals import Interval, jackknife
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.network import RESIZE

_NETWORK = {"network": "EfficientNet-Lite0, 1280 pooled features", "resize": RESIZE}
_COMPONENTS = 64

Distance = Callable[[Features, Features], float]
IntervalOf = Callable[[Features, Features], Interval]


class KernelDistance:
    """KID on EfficientNet-Lite0's features, unbiased."""

    requires = frozenset({"generated", "reference"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """One figure, `kid-lite0`, with the autoencoder's own and the floor beside it."""
        how = _NETWORK | {"kernel": "(x.y / 1280 + 1)^3", "estimate": "unbiased", "interval": "200 half-sized subsets"}
        return [_figure("kid-lite0", samples, kernel_distance, kernel_distance_interval, how)]


class FrechetDistance:
    """The Frechet distance on EfficientNet-Lite0's features, all of them and the reference's first 64 components."""

    requires = frozenset({"generated", "reference"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures, `fd-lite0` and `fd-lite0-64`."""
        how = _NETWORK | {"interval": "jackknife over 10 groups"}
        principal = partial(frechet_distance_principal, components=_COMPONENTS)
        return [
            _figure("fd-lite0", samples, frechet_distance, partial(jackknife, frechet_distance), how),
            _figure(
                f"fd-lite0-{_COMPONENTS}",
                samples,
                principal,
                partial(jackknife, principal),
                how | {"components": f"first {_COMPONENTS} principal components of the reference"},
            ),
        ]


def _figure(name: str, samples: EvaluationSet, distance: Distance, interval: IntervalOf, how: dict[str, str]) -> Figure:
    assert samples.generated is not None and samples.reference is not None
    others = {"floor: real images": samples.real}
    if samples.reconstructed is not None:
        others["reconstructions of real images"] = samples.reconstructed

    def measured(images: Images) -> Estimate:
        pair = images.features, samples.reference.features  # type: ignore[union-attr]
        return Estimate(value=distance(*pair), count=min(map(len, pair)), interval=interval(*pair))

    beside = {words: measured(images) for words, images in others.items()}
    return Figure(name=name, estimate=measured(samples.generated), beside=beside, how=how)
