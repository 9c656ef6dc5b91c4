"""Figures of several trainings, and what one arm gains over another with the same seed."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch

from ildm.evaluation.intervals import t_interval

Figures = dict[str, float]


def report(words: str, figures: Figures) -> None:
    """One line of an arm's figures."""
    print(f"{words:52} " + "   ".join(f"{key} {value:.4f}" for key, value in figures.items()), flush=True)


def gain(less: str, more: str, key: str, before: Sequence[Figures], after: Sequence[Figures]) -> dict[str, object]:
    """How far a figure of the arm `more` is above that of `less`, seed by seed: the mean and its interval (Student's)."""
    gains = [late[key] - early[key] for early, late in zip(before, after, strict=True)]
    middle = statistics.fmean(gains)
    interval = list(t_interval(torch.tensor(gains, dtype=torch.float64))) if len(gains) > 1 else None
    shown = "" if interval is None else f" ({interval[0]:+.4f} to {interval[1]:+.4f})"
    print(f"{more} less {less}: {key} {middle:+.4f}{shown}, N = {len(gains)} seeds")
    return {"from": less, "to": more, "figure": key, "gains": gains, "mean": middle, "interval": interval}
