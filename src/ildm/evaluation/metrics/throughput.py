"""Metric: how many images the model makes in a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from ildm.evaluation.asking import Ask
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure, Generate

SPEED = "images-per-second"
"""What the names of its figures begin with."""
REPEATS = 5
_BATCHES = (1, 8)


class Throughput:
    """Images per second from what is asked to pixels, one at a time and in batches of 8."""

    requires = frozenset({"generate", "asked", "one object"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """Two figures: `images-per-second` and `images-per-second-batch-8`."""
        assert samples.generate is not None and samples.asked is not None
        alone, together = _BATCHES
        names = {SPEED: alone, f"{SPEED}-batch-{together}": together}
        return [_figure(name, samples.generate, _cycled(samples.asked, batch)) for name, batch in names.items()]


def _figure(name: str, generate: Generate, asks: Sequence[Ask]) -> Figure:
    # the first call also pays for allocations and lazy imports
    generate(asks)
    rates = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        generate(asks)
        rates.append(len(asks) / (time.perf_counter() - begun))
    # the interval is the range seen: with so few repeats a percentile would promise more than is known
    estimate = Estimate(value=statistics.median(rates), count=REPEATS * len(asks), interval=(min(rates), max(rates)))
    return Figure(name=name, estimate=estimate, how={"repeats": REPEATS, "value": "median", "interval": "slowest and fastest"})


def _cycled(asks: Sequence[Ask], count: int) -> list[Ask]:
    return [asks[index % len(asks)] for index in range(count)]
