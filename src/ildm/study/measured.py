"""A figure as a study keeps it, and which way it is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ildm.evaluation.metric import Estimate, Figure
from ildm.evaluation.wording import say_estimate


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One figure.

    Args:
        estimate: of the model's own images.
        beside: the same of others, such as real images or shuffled maps.
    """

    estimate: Estimate
    beside: Mapping[str, Estimate] = field(default_factory=dict)

    @staticmethod
    def of(figure: Figure) -> Measured:
        """What is kept of a figure of an evaluation."""
        return Measured(estimate=figure.estimate, beside=figure.beside)


def lower_is_better(name: str) -> bool:
    """Whether less of a figure of this name is better: distances, to real images as a set or to the real image."""
    return name.startswith(("kid-", "fd-", "fid")) or "distance" in name


def say_figure(measured: Measured | None) -> str:
    """A figure in a table; empty for none."""
    return say_estimate(None if measured is None else measured.estimate)
