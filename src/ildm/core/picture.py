"""Tensors to pictures and back, and many pictures on one sheet."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from jaxtyping import UInt8
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont
from torch import Tensor

from ildm.core.types import Image

_FONT_SIZE, _LINE_HEIGHT, _ABOVE = 11, 13, 2
_LETTER_WIDTH = 0.55  # of the font's size, on average


def to_floats(pixels: UInt8[Tensor, "batch 3 image_height image_width"]) -> Image:
    """Bytes (batch, 3, height, width) as float32 in [-1, 1]."""
    return pixels.float() / 127.5 - 1.0


def to_bytes(images: Image) -> UInt8[Tensor, "batch 3 image_height image_width"]:
    """Images (batch, 3, height, width) in [-1, 1] as bytes; what lies beyond is cut off."""
    return ((images.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def from_picture(picture: PILImage.Image) -> UInt8[Tensor, "3 height width"]:
    """A picture's RGB bytes, (3, height, width)."""
    pixels = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    return pixels.reshape(picture.height, picture.width, 3).permute(2, 0, 1)


def to_picture(pixels: UInt8[Tensor, "3 height width"]) -> PILImage.Image:
    """Bytes (3, height, width) as one RGB picture."""
    return PILImage.fromarray(pixels.permute(1, 2, 0).cpu().contiguous().numpy())


def to_pictures(images: Image) -> list[PILImage.Image]:
    """Images (batch, 3, height, width) in [-1, 1] as RGB pictures."""
    return [to_picture(pixels) for pixels in to_bytes(images)]


def enlarged(picture: PILImage.Image, least: int) -> PILImage.Image:
    """A picture zoomed by the smallest whole number that makes it `least` pixels wide, its pixels kept sharp."""
    zoom = max(1, -(-least // picture.width))
    return picture.resize((picture.width * zoom, picture.height * zoom), PILImage.Resampling.NEAREST)


def paste_grid(
    pictures: Sequence[PILImage.Image], *, columns: int, captions: Sequence[str] = (), lines: int = 4, gap: int = 8
) -> PILImage.Image:
    """Pictures of one size in rows of `columns`, on white.

    Args:
        pictures: at least one.
        captions: one below each picture, wrapped to its width; empty = none.
        lines: of a caption at most; the rest is left out.
        gap: around every picture, pixels.
    """
    width, height = pictures[0].size
    cell_width, cell_height = width + gap, height + gap + (_ABOVE + lines * _LINE_HEIGHT if captions else 0)
    rows = -(-len(pictures) // columns)
    sheet = PILImage.new("RGB", (min(columns, len(pictures)) * cell_width + gap, rows * cell_height + gap), "white")
    corners = [(gap + place % columns * cell_width, gap + place // columns * cell_height) for place in range(len(pictures))]
    for picture, corner in zip(pictures, corners, strict=True):
        sheet.paste(picture, corner)
    if captions:
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
        letters = max(8, int(width / (_FONT_SIZE * _LETTER_WIDTH)))
        for caption, (left, top) in zip(captions, corners, strict=True):
            for number, text in enumerate(textwrap.wrap(caption, letters)[:lines]):
                pen.text((left, top + height + _ABOVE + number * _LINE_HEIGHT), text, fill="black", font=font)
    return sheet
