"""The paper's figures 6 and 7 at our scale: quality against training, and against samples per second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ildm.study.compression.report import StudyReport
from ildm.study.compression.results import ArmResult, Point
from ildm.study.plotting import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {1: "#000000", 2: "#0072b2", 4: "#009e73", 8: "#56b4e9", 16: "#e69f00", 32: "#d55e00"}  # told apart by all eyes
_WIDTH, _HEIGHT = 6.4, 4.4  # inches of a panel


def save_plots(report: StudyReport, folder: Path) -> list[Path]:
    """Write three PNG files: quality by steps, by operations and by speed, a panel for each bottleneck."""
    return [
        _save(report, folder / "quality-by-steps.png", "training steps", lambda arm: arm.points, lambda point: point.step),
        _save(
            report,
            folder / "quality-by-operations.png",
            "training operations, TFLOP",
            lambda arm: arm.points,
            lambda point: point.operations / 1e12,
        ),
        _save(
            report,
            folder / "quality-by-speed.png",
            "samples per second",
            lambda arm: arm.speeds,
            lambda point: point.samples_per_second,
        ),
    ]


def _save(
    report: StudyReport,
    path: Path,
    across: str,
    points: Callable[[ArmResult], Sequence[Point]],
    place: Callable[[Point], float],
) -> Path:
    bottlenecks = report.config.bottlenecks
    figure = new_figure(_WIDTH * len(bottlenecks), _HEIGHT)
    panels = figure.subplots(1, len(bottlenecks), sharey=True, squeeze=False)[0]
    for panel, bottleneck in zip(panels, bottlenecks, strict=True):
        for arm in report.arms:
            if arm.kind in ("pixels", bottleneck):
                _curve(panel, f"f {arm.factor}", _COLOURS[arm.factor], _placed(points(arm), place))
        floor = report.floor.kid
        panel.axhline(floor.value, color="grey", linestyle=":", label="real images")
        panel.axhline(report.control.kid.value, color="grey", linestyle="--", label="blank images")
        panel.set(title=bottleneck.upper(), xlabel=across, xscale="log")
        panel.grid(alpha=0.3)
        panel.legend(fontsize="small")
    panels[0].set_ylabel(f"KID-Lite0, N = {report.config.judging.num_images}")
    return save_figure(figure, path)


def _curve(panel: Axes, label: str, colour: str, placed: Sequence[tuple[float, Point]]) -> None:
    if not placed:
        return
    across = [where for where, _ in placed]
    estimates = [point.distances.kid for _, point in placed]
    values = [one.value for one in estimates]
    ends = [one.interval or (one.value, one.value) for one in estimates]
    # an interval of quantiles may leave out its own value
    below = [max(0.0, value - low) for value, (low, _) in zip(values, ends, strict=True)]
    above = [max(0.0, high - value) for value, (_, high) in zip(values, ends, strict=True)]
    panel.errorbar(
        across, values, yerr=[below, above], label=label, color=colour, marker="o", markersize=4, capsize=2, linewidth=1.5
    )


def _placed(points: Sequence[Point], place: Callable[[Point], float]) -> list[tuple[float, Point]]:
    return sorted(((place(point), point) for point in points), key=lambda one: one[0])
