"""Many small pictures on one."""

from __future__ import annotations

from PIL import Image as PILImage

from ildm.core.types import Image
from ildm.model import to_images

GAP = 4


def contact_sheet(images: Image, columns: int) -> PILImage.Image:
    """Images (batch, 3, height, width) in [-1, 1] in rows of `columns`, on white."""
    return paste_grid(to_images(images), columns)


def paste_grid(pictures: list[PILImage.Image], columns: int) -> PILImage.Image:
    """Pictures of one size in rows of `columns`, on white."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = PILImage.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), "white")
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        sheet.paste(picture, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    return sheet
