"""Sheets of samples, for the eye beside the figures."""

from __future__ import annotations

from pathlib import Path

from ildm.core.files import atomic_file
from ildm.core.picture import paste_grid, to_picture
from ildm.evaluation.images import Pixels

_SHOWN, _COLUMNS = 24, 8


def save_sheet(pixels: Pixels, path: Path) -> None:
    """The first images, unpicked, as one PNG file; the same place shows the same class for every arm."""
    sheet = paste_grid([to_picture(one) for one in pixels[:_SHOWN]], columns=_COLUMNS, gap=4)
    with atomic_file(path) as temporary:
        sheet.save(temporary, format="PNG")
