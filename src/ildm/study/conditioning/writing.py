"""The report's files: JSON for programs, a page for people, and the plot that it shows."""

from __future__ import annotations

from pathlib import Path

from ildm.core.files import atomic_file, write_json
from ildm.study.conditioning.report import FIGURES, ConditioningReport
from ildm.study.conditioning.tables import PLOT, to_markdown
from ildm.study.plotting import new_figure, save_figure

_COLOURS = {"concat": "#0072b2", "cross-attention": "#d55e00"}  # told apart by all eyes
_SIDE = 3.6  # inches of a panel


def write_report(report: ConditioningReport, folder: Path) -> list[Path]:
    """Write report.json, report.md and the plot into the study's folder; the paths are those, in this order."""
    data, page = folder / "report.json", folder / "report.md"
    write_json(data, report.to_json())
    with atomic_file(page) as temporary:
        temporary.write_text(to_markdown(report), encoding="utf-8")
    return [data, page, _save_plot(report, folder / PLOT)]


def _save_plot(report: ConditioningReport, path: Path) -> Path:
    figure = new_figure(_SIDE * len(FIGURES), _SIDE)
    panels = figure.subplots(1, len(FIGURES), squeeze=False)[0]
    for panel, name in zip(panels, FIGURES, strict=True):
        for arm in report.arms:
            points = [point for point in arm.points if name in point.figures]
            panel.plot(
                [point.step for point in points],
                [point.figures[name].estimate.value for point in points],
                color=_COLOURS[arm.route],
                marker="o",
                markersize=4,
                linewidth=1.2,
                label=arm.route if arm.seed == 0 else None,
            )
        panel.set(title=name, xlabel="training steps")
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize="small")
    return save_figure(figure, path)
