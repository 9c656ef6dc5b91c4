"""The study's report: everything measured, and which route is better by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from ildm.conditioning.hint import Route
from ildm.core.config import to_json
from ildm.evaluation.intervals import t_interval
from ildm.evaluation.metric import Estimate
from ildm.study.conditioning.config import ROUTES, ConditioningConfig
from ildm.study.conditioning.results import ArmResult
from ildm.study.keeping import FORMAT, VERSION
from ildm.study.measured import lower_is_better

FIGURES = ("map-agreement", "map-instance-contrast", "map-instance-top-5", "kid-lite0")
"""What routes are compared by."""
Outcome = Literal["concat", "cross-attention", "not decided"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One figure of both routes at one step, over seeds.

    Args:
        means: by route.
        estimate: of concat less cross-attention with the same seed, the mean over seeds and its interval.
        better: the route that the figure speaks for, when the interval lies wholly on one side of zero.
    """

    figure: str
    step: int
    means: Mapping[str, float]
    estimate: Estimate
    better: Outcome


@dataclass(frozen=True, kw_only=True)
class ConditioningReport:
    """Every figure of a study, finished or not.

    Args:
        config: as it was run.
        spent: seconds, over all sittings.
        machine, versions: where and with what it was run last.
        arms: what was measured of each training.
        missing: what was not measured, as "concat-0 at step 100"; empty when nothing is.
        differences: between the routes, where at least two seeds were measured by both.
    """

    kind: ClassVar[str] = "conditioning"

    config: ConditioningConfig
    spent: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    arms: tuple[ArmResult, ...]
    missing: tuple[str, ...]
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {"format": FORMAT, "version": VERSION, **to_json(self)}


def compare(config: ConditioningConfig, results: Sequence[ArmResult]) -> tuple[Difference, ...]:
    """Every figure at every step, over the seeds that were measured by both routes."""
    found = (_difference(name, step, results) for step in config.steps for name in FIGURES)
    return tuple(one for one in found if one is not None)


def _difference(name: str, step: int, results: Sequence[ArmResult]) -> Difference | None:
    values: dict[Route, dict[int, float]] = {route: {} for route in ROUTES}
    for result in results:
        point = result.at(step)
        if point is not None and name in point.figures:
            values[result.route][result.seed] = point.figures[name].estimate.value
    first, second = (values[route] for route in ROUTES)
    seeds = sorted(first.keys() & second.keys())
    if len(seeds) < 2:
        return None
    parts = torch.tensor([first[seed] - second[seed] for seed in seeds], dtype=torch.float64)
    estimate = Estimate(value=parts.mean().item(), count=len(parts), interval=t_interval(parts))
    return Difference(
        figure=name,
        step=step,
        means={route: sum(values[route][seed] for seed in seeds) / len(seeds) for route in ROUTES},
        estimate=estimate,
        better=_better(name, estimate),
    )


def _better(name: str, estimate: Estimate) -> Outcome:
    assert estimate.interval is not None
    low, high = estimate.interval
    if low <= 0.0 <= high:
        return "not decided"
    return "concat" if (low > 0.0) != lower_is_better(name) else "cross-attention"
