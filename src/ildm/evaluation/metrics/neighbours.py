"""Metric: precision, recall, density and coverage by nearest neighbours."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ildm.data.sample import Sample
from ildm.evaluation.estimates import share
from ildm.evaluation.images import Images
from ildm.evaluation.intervals import bootstrap_mean
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure
from ildm.evaluation.metrics.distance import others
from ildm.evaluation.neighbours import Neighbourhood, neighbourhood
from ildm.evaluation.network import RESIZE

_K = 3
_HOW = {
    "network": "EfficientNet-Lite0, 1280 pooled features",
    "resize": RESIZE,
    "k": _K,
    "interval": "Wilson, bootstrap for the density, the other side's images held fixed",
}


class NearestNeighbours:
    """Fidelity (precision, density) and variety (recall, coverage), with coverage for each style."""

    requires = frozenset({"generated", "reference"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Four figures: `precision`, `recall`, `density`, `coverage`."""
        assert samples.generated is not None and samples.reference is not None
        found = {"": samples.generated, **others(samples)}
        reference = samples.reference
        sides = {words: neighbourhood(images.features, reference.features, k=_K) for words, images in found.items()}
        shares = {words: _estimates(side) for words, side in sides.items()}
        details = {"coverage": _by_style(sides[""].covered, reference)}
        return [
            Figure(
                name=name,
                estimate=shares[""][name],
                beside={words: estimates[name] for words, estimates in shares.items() if words},
                how=_HOW,
                details=details.get(name, {}),
            )
            for name in shares[""]
        ]


def _estimates(side: Neighbourhood) -> dict[str, Estimate]:
    density = Estimate(value=side.density.mean().item(), count=len(side.density), interval=bootstrap_mean(side.density))
    shares = {"precision": side.precise, "recall": side.recalled, "coverage": side.covered}
    return {name: share(hits) for name, hits in shares.items()} | {"density": density}


def _by_style(covered: Tensor, reference: Images) -> dict[str, float]:
    """The share of the real images covered, for each style that stands in them: collapse to one style shows here."""
    samples: Sequence[Sample] = reference.samples or ()
    styles = sorted({thing.style for sample in samples for thing in sample.objects})
    table = {}
    for style in styles:
        among = [any(thing.style == style for thing in sample.objects) for sample in samples]
        table[style] = covered[among].double().mean().item()
    return table
