"""Metric: does an image show the class that was asked for?"""

from __future__ import annotations

from ildm.evaluation.metric import EvaluationSet, Figure
from ildm.evaluation.metrics.objects import accuracies

_RANKS = (1, 5)
_CONTROL = "shuffled classes"


class ClassAccuracy:
    """How often a recogniser finds the class in scenes with one object: a concept, or a style for a model that draws those."""

    requires = frozenset({"one object", "generated", "class"})

    def compute(self, samples: EvaluationSet) -> list[Figure]:
        """`class-top-1` and `class-top-5` for concepts; for styles, of which there are few, `class-top-1`."""
        assert samples.prompts is not None
        if samples.style_recogniser is None:
            return accuracies(samples, "class", samples.prompts, _RANKS, control=_CONTROL)
        return accuracies(samples, "class", samples.prompts, _RANKS[:1], control=_CONTROL, of_style=True)
