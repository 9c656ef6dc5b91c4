"""Samples on one page, each with one of its captions: for looking at a data set."""

from __future__ import annotations

from PIL import Image

from ildm.core.picture import paste_grid, to_picture
from ildm.data.sample import ImageDataset


def contact_sheet(dataset: ImageDataset, count: int, *, columns: int = 8, tile: int = 128) -> Image.Image:
    """The first `count` samples in rows, the wordings of their captions taken in turn.

    Args:
        tile: side of one picture on the page, pixels.
    """
    samples = [dataset[index] for index in range(min(count, len(dataset)))]
    pictures = [to_picture(sample.image).resize((tile, tile), Image.Resampling.LANCZOS) for sample in samples]
    captions = [
        sample.captions[index % len(sample.captions)] if sample.captions else "" for index, sample in enumerate(samples)
    ]
    return paste_grid(pictures, columns=columns, captions=captions)
