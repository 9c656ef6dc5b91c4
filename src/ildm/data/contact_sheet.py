"""Samples on one page, each with one of its captions: for looking at a data set."""

from __future__ import annotations

import textwrap

from PIL import Image, ImageDraw, ImageFont

from ildm.data.sample import ImageDataset

_LINES, _LINE_HEIGHT, _GAP, _FONT_SIZE = 4, 12, 8, 11


def contact_sheet(dataset: ImageDataset, count: int, *, columns: int = 8, tile: int = 128) -> Image.Image:
    """The first `count` samples in rows, the wordings of their captions taken in turn.

    Args:
        tile: side of one picture on the page, pixels.
    """
    count = min(count, len(dataset))
    font = ImageFont.load_default(size=_FONT_SIZE)
    width, height = tile + _GAP, tile + _LINES * _LINE_HEIGHT + _GAP
    page = Image.new("RGB", (min(columns, count) * width + _GAP, -(-count // columns) * height + _GAP), "white")
    pen = ImageDraw.Draw(page)
    for index in range(count):
        sample = dataset[index]
        left, top = _GAP + index % columns * width, _GAP + index // columns * height
        picture = Image.fromarray(sample.image.permute(1, 2, 0).contiguous().numpy())
        page.paste(picture.resize((tile, tile), Image.Resampling.LANCZOS), (left, top))
        caption = sample.captions[index % len(sample.captions)]
        lines = textwrap.wrap(caption, max(8, tile // 6))[:_LINES]
        pen.multiline_text((left, top + tile + 1), "\n".join(lines), fill="black", font=font, spacing=0)
    return page
