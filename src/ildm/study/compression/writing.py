"""The report's files: JSON for programs, a page for people, and the plots that it shows."""

from __future__ import annotations

from pathlib import Path

from ildm.core.files import atomic_file, write_json
from ildm.study.compression.plots import save_plots
from ildm.study.compression.report import StudyReport
from ildm.study.compression.tables import to_markdown


def write_report(report: StudyReport, folder: Path) -> list[Path]:
    """Write report.json, report.md and plots/ into the study's folder; the paths are those, in this order."""
    data, page = folder / "report.json", folder / "report.md"
    write_json(data, report.to_json())
    with atomic_file(page) as temporary:
        temporary.write_text(to_markdown(report), encoding="utf-8")
    return [data, page, *save_plots(report, folder / "plots")]
