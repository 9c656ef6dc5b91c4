"""The report as a page: what was run, the figures of both routes, and what speaks for which."""

from __future__ import annotations

from ildm.core.durations import say_duration
from ildm.evaluation.circumstances import say_circumstances
from ildm.evaluation.wording import say_estimate
from ildm.study.conditioning.config import ROUTES
from ildm.study.conditioning.report import FIGURES, ConditioningReport
from ildm.study.measured import say_figure

PLOT = "plots/figures-by-steps.png"


def to_markdown(report: ConditioningReport) -> str:
    """The whole page."""
    parts = (_head(report), _routes(report), _differences(report), _arms(report))
    return "\n".join("\n".join(part) for part in parts) + "\n"


def _head(report: ConditioningReport) -> list[str]:
    recipe, data = report.config.recipe, report.config.data
    sampling, two = recipe.sampling, recipe.stage_two
    lines = [
        "# Routes for a semantic map compared",
        "",
        f"{data.size} px, scenes of up to {data.max_objects} things, {recipe.num_latents} latents of {recipe.first_stage}; "
        f"{two.loop.steps} steps of {two.batch_size}, {report.config.seeds} seeds; {sampling.sampler}, {sampling.num_steps} steps, "
        f"guidance {sampling.guidance_scale:g}; N = {report.config.num_images} unseen scenes for each figure of each training.",
        f"{say_circumstances(report.machine, report.versions)}; {say_duration(report.spent)} spent.",
        "",
        "What a figure means stands in the guide to evaluation; of KID-Lite0 less is better, of the others more.",
        "",
    ]
    if report.missing:
        lines += [f"Not measured, for want of time: {'; '.join(report.missing)}.", ""]
    return lines


def _routes(report: ConditioningReport) -> list[str]:
    lines = [
        "## What they cost",
        "",
        "| route | parameters | GFLOP/sample in training | hours a training |",
        "|---|---|---|---|",
    ]
    for route in ROUTES:
        arms = [arm for arm in report.arms if arm.route == route]
        hours = [arm.points[-1].seconds / 3600 for arm in arms if arm.points]
        taken = f"{sum(hours) / len(hours):.2f}" if hours else ""
        lines.append(f"| {route} | {arms[0].parameters:,} | {arms[0].operations / 1e9:.3g} | {taken} |")
    return [*lines, ""]


def _differences(report: ConditioningReport) -> list[str]:
    lines = [
        "## Which is better",
        "",
        "Means over seeds; the difference is concat less cross-attention of the same seed, with Student's 95 % interval over seeds.",
        "",
        f"| step | figure | {' | '.join(ROUTES)} | difference | better |",
        "|---|---|---|---|---|---|",
    ]
    for one in report.differences:
        assert one.estimate.interval is not None
        low, high = one.estimate.interval
        means = " | ".join(f"{one.means[route]:.4f}" for route in ROUTES)
        difference = f"{one.estimate.value:+.4f} ({low:+.4f} to {high:+.4f})"
        lines.append(f"| {one.step} | {one.figure} | {means} | {difference} | {one.better} |")
    return [*lines, "", f"![Figures by training steps]({PLOT})", ""]


def _arms(report: ConditioningReport) -> list[str]:
    lines = ["## Every training", "", f"| training | step | {' | '.join(FIGURES)} |", "|---|---|" + "---|" * len(FIGURES)]
    lines += [
        f"| {arm.name} | {point.step} | {' | '.join(say_figure(point.figures.get(name)) for name in FIGURES)} |"
        for arm in report.arms
        for point in arm.points
    ]
    beside = next((point.figures for arm in report.arms for point in reversed(arm.points)), {})
    others = list(dict.fromkeys(words for figure in beside.values() for words in figure.beside))
    for words in others:
        cells = (beside[name].beside.get(words) if name in beside else None for name in FIGURES)
        lines.append(f"| beside the first: {words} | | {' | '.join(map(say_estimate, cells))} |")
    return lines
