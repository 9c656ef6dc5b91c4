"""The report as a page: every figure at every setting, an axis at a time."""

from __future__ import annotations

from collections.abc import Sequence

from ildm.core.durations import say_duration
from ildm.evaluation.circumstances import say_circumstances
from ildm.evaluation.wording import say_brackets, say_estimate
from ildm.study.measured import Measured, lower_is_better, say_figure
from ildm.study.sampling.config import AXES, Axis, say_exactly
from ildm.study.sampling.report import Point, SamplingReport

_TITLES: dict[Axis, str] = {"guidance": "Guidance", "steps": "Steps", "sampler": "Samplers"}


def to_markdown(report: SamplingReport) -> str:
    """The whole page."""
    lines = _head(report)
    for axis in AXES:
        if points := report.along(axis):
            lines += [*_axis(axis, points), f"![Figures along {axis}]({plot_of(axis)})", ""]
            lines += _sheet(axis, points[0].prompts) if points[0].prompts else []
    lines += _beside(report)
    return "\n".join(lines).rstrip() + "\n"


def plot_of(axis: Axis) -> str:
    """The path of an axis' plot, from the page."""
    return f"plots/{axis}.png"


def sheet_of(axis: Axis) -> str:
    """The path of an axis' pictures, from the page."""
    return f"samples/{axis}.png"


def _head(report: SamplingReport) -> list[str]:
    config, base = report.config, report.config.base
    lines = [
        f"# {config.model} at other settings",
        "",
        f"Split {config.split}, {config.num_images} scenes as they are and {config.num_probes} with one and with two objects at each "
        f"setting, the same prompts and seeds (from {config.seed}) at all; {base.sampler}, {base.num_steps} steps and guidance "
        f"{say_exactly(base.guidance_scale)} but for what a table changes.",
        f"{say_circumstances(report.machine, report.versions)}; weights {config.weights[:16]}; {say_duration(report.spent)} spent.",
        "",
        f"What a figure means stands in the guide to evaluation. {say_brackets(names_of(report.points))}; the best of a row is bold.",
        "",
    ]
    if report.missing:
        lines += [f"Not judged yet: {', '.join(report.missing)}.", ""]
    return lines


def _axis(axis: Axis, points: Sequence[Point]) -> list[str]:
    values = [
        str(point.setting.on(axis)) if axis == "sampler" else say_exactly(float(point.setting.on(axis))) for point in points
    ]
    lines = [f"## {_TITLES[axis]}", "", f"| figure | {' | '.join(values)} |", "|---|" + "---|" * len(points)]
    for name in names_of(points):
        row = [point.figures.get(name) for point in points]
        best = _best(name, row)
        cells = (f"**{say_figure(one)}**" if place == best else say_figure(one) for place, one in enumerate(row))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _sheet(axis: Axis, prompts: Sequence[str]) -> list[str]:
    rows = [f"{number}. {prompt}" for number, prompt in enumerate(prompts, start=1)]
    return [f"![Pictures along {axis}]({sheet_of(axis)})", "", *(["Its rows:", "", *rows, ""] if any(prompts) else [])]


def names_of(points: Sequence[Point]) -> list[str]:
    """Every figure that one of them has."""
    return list(dict.fromkeys(name for point in points for name in point.figures))


def _best(name: str, row: Sequence[Measured | None]) -> int | None:
    """The place of the best; None where all are equal, or where nearer to 1 is better and not more or less."""
    values = {place: one.estimate.value for place, one in enumerate(row) if one is not None}
    if len(set(values.values())) < 2 or name.startswith("seam-ratio"):
        return None
    return (min if lower_is_better(name) else max)(values, key=lambda place: values[place])


def _beside(report: SamplingReport) -> list[str]:
    """Ceilings and controls, as they were at the base."""
    if report.base is None:
        return []
    figures = report.base.figures
    others = list(dict.fromkeys(words for one in figures.values() for words in one.beside))
    if not others:
        return []
    lines = ["## Beside them", "", "Ceilings and controls at the model's own settings.", ""]
    lines += [f"| figure | {' | '.join(others)} |", "|---|" + "---|" * len(others)]
    lines += [
        f"| {name} | {' | '.join(say_estimate(one.beside.get(words)) for words in others)} |"
        for name, one in figures.items()
        if one.beside
    ]
    return [*lines, ""]
