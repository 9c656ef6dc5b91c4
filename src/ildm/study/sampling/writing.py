"""The report's files: JSON for programs, a page for people, and the plots and pictures that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image as PILImage

from ildm.core.files import atomic_file, write_json
from ildm.core.picture import enlarged, paste_grid
from ildm.study.measured import Measured
from ildm.study.plotting import new_figure, save_figure
from ildm.study.sampling.config import AXES, Axis
from ildm.study.sampling.report import Point, SamplingReport
from ildm.study.sampling.study import PICTURES
from ildm.study.sampling.tables import names_of, plot_of, sheet_of, to_markdown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT, _COLUMNS = 3.0, 2.6, 4  # inches of a panel; panels in a row
_OURS, _CEILING, _CONTROL = "#0072b2", "#009e73", "#d55e00"  # told apart by all eyes
_LEAST_SIDE = 96


def write_report(report: SamplingReport, folder: Path) -> list[Path]:
    """Write report.json, report.md, and a plot and pictures for each axis into the study's folder; the paths, in this order."""
    written = [folder / "report.json", folder / "report.md"]
    write_json(written[0], report.to_json())
    with atomic_file(written[1]) as temporary:
        temporary.write_text(to_markdown(report), encoding="utf-8")
    for axis in AXES:
        if points := report.along(axis):
            written.append(_save_plot(axis, points, report.base or points[0], folder / plot_of(axis)))
            if points[0].prompts:
                written.append(_save_sheet(axis, points, folder))
    return written


def _save_plot(axis: Axis, points: Sequence[Point], base: Point, path: Path) -> Path:
    names = names_of(points)
    rows = -(-len(names) // _COLUMNS)
    figure = new_figure(_WIDTH * _COLUMNS, _HEIGHT * rows)
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).flatten()
    for panel, name in zip(panels, names, strict=False):
        _draw(panel, axis, name, points)
        _draw_beside(panel, base.figures.get(name))
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    return save_figure(figure, path)


def _draw(panel: Axes, axis: Axis, name: str, points: Sequence[Point]) -> None:
    there = [point for point in points if name in point.figures]
    at = [point.setting.on(axis) for point in there]
    estimates = [point.figures[name].estimate for point in there]
    values = [one.value for one in estimates]
    low = [one.value if one.interval is None else one.interval[0] for one in estimates]
    high = [one.value if one.interval is None else one.interval[1] for one in estimates]
    # nothing lies between one sampler and the next
    panel.plot(at, values, color=_OURS, marker="o", markersize=4, linewidth=0 if axis == "sampler" else 1.2)
    if axis == "sampler":
        panel.vlines(at, low, high, color=_OURS, linewidth=1.2)
    else:
        panel.fill_between(at, low, high, color=_OURS, alpha=0.15, linewidth=0)
    panel.set_title(name, fontsize="small")
    panel.set_xlabel(axis, fontsize="small")
    panel.tick_params(labelsize="small")
    panel.grid(alpha=0.3)


def _draw_beside(panel: Axes, measured: Measured | None) -> None:
    """What the autoencoder leaves of real images, and the control, at the model's own settings."""
    for words, estimate in ({} if measured is None else measured.beside).items():
        if words.startswith("reconstructions"):
            panel.axhline(estimate.value, color=_CEILING, linestyle="--", linewidth=1, label="reconstructions")
        elif words.startswith("shuffled"):
            panel.axhline(estimate.value, color=_CONTROL, linestyle=":", linewidth=1, label="shuffled")
    if panel.get_legend_handles_labels()[0]:
        panel.legend(fontsize="x-small")


def _save_sheet(axis: Axis, points: Sequence[Point], folder: Path) -> Path:
    """A row for each prompt, a column for each setting."""
    columns, captions = [], []
    for point in points:
        with PILImage.open(folder / "settings" / point.setting.name / PICTURES) as strip:
            side = strip.height
            columns.append(
                [
                    enlarged(strip.crop((place * side, 0, (place + 1) * side, side)), _LEAST_SIDE)
                    for place in range(strip.width // side)
                ]
            )
        value = point.setting.on(axis)
        captions.append(str(value) if axis == "sampler" else f"{axis} {value:g}")
    pictures = [picture for row in zip(*columns, strict=True) for picture in row]
    rows = len(pictures) // len(points)
    sheet = paste_grid(pictures, columns=len(points), captions=captions * rows, lines=1)
    path = folder / sheet_of(axis)
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")
    return path
