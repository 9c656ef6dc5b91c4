"""A figure over several drawings of one set, each with seeds of its own: is it more than luck?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch

from ildm.evaluation.intervals import t_interval
from ildm.evaluation.metric import Estimate, EvaluationSet, Figure, Metric

CONTROL = "shuffled"
"""What the name of a control begins with."""


def over_seeds(metric: Metric, samples: EvaluationSet) -> list[Figure]:
    """The figures of a set; where it was drawn more than once, the mean over the drawings stands beside each.

    So does the mean of the figure less its control, where it has one. Both have the interval of Student's t over the drawings, which is
    about seeds alone: the scenes stay the same.
    """
    figures = metric.compute(samples)
    if not samples.further or "generated" not in metric.requires:
        return figures
    turns = [_by_name(figures), *(_by_name(metric.compute(again)) for again in samples.further)]
    return [replace(figure, beside={**figure.beside, **_means(turns, figure.name)}) for figure in figures]


def _by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def _means(turns: Sequence[Mapping[str, Figure]], name: str) -> dict[str, Estimate]:
    drawn = [turn[name] for turn in turns if name in turn]
    if len(drawn) < 2:
        return {}
    told = f"{len(drawn)} seeds"
    means = {f"mean over {told}": _mean([one.estimate.value for one in drawn])}
    control = next((words for words in drawn[0].beside if words.startswith(CONTROL)), None)
    if control is not None:
        means[f"minus {control}, mean over {told}"] = _mean([one.estimate.value - one.beside[control].value for one in drawn])
    return means


def _mean(values: list[float]) -> Estimate:
    parts = torch.tensor(values, dtype=torch.float64)
    return Estimate(value=parts.mean().item(), count=len(values), interval=t_interval(parts))
