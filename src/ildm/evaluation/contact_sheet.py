"""Many images on one sheet, each with its prompt below."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from jaxtyping import UInt8
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor

_GAP = 8
_FONT_SIZE = 11
_LINES = 4


def contact_sheet(pictures: Sequence[tuple[str, UInt8[Tensor, "3 height width"]]], *, columns: int = 8) -> PILImage.Image:
    """A white sheet of images in rows, smaller ones enlarged to 128 pixels, with at most four lines of prompt each."""
    images = [PILImage.fromarray(pixels.permute(1, 2, 0).numpy()) for _, pixels in pictures]
    width, height = images[0].size
    zoom = max(1, -(-128 // width))
    width, height = width * zoom, height * zoom
    font = ImageFont.load_default(_FONT_SIZE)
    line = _FONT_SIZE + 2
    cell_width, cell_height = width + _GAP, height + _LINES * line + _GAP
    rows = -(-len(images) // columns)
    sheet = PILImage.new("RGB", (min(columns, len(images)) * cell_width + _GAP, rows * cell_height + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    # the font is about half as wide as it is high
    letters = max(8, int(width / (_FONT_SIZE * 0.55)))
    for index, ((prompt, _), image) in enumerate(zip(pictures, images, strict=True)):
        left, top = _GAP + index % columns * cell_width, _GAP + index // columns * cell_height
        sheet.paste(image.resize((width, height), PILImage.Resampling.NEAREST), (left, top))
        for number, text in enumerate(textwrap.wrap(prompt, letters)[:_LINES]):
            pen.text((left, top + height + 2 + number * line), text, fill="black", font=font)
    return sheet
