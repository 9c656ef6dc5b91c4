"""Plots as PNG files, and whether they can be drawn here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ildm.core.errors import ConfigError
from ildm.core.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 120


def check_plots() -> None:
    """See that plots can be drawn, before any work is spent on what they show.

    Raises:
        ConfigError: when matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            'A study draws its plots with matplotlib, which is not installed: run pip install "ildm[eval]".'
        ) from error


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    # without pyplot: it keeps figures in a global list, and may open windows
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write it as a PNG file."""
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png")
    return path
