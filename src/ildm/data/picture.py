"""One image file of any kind as upright 8-bit RGB, or the reason why it cannot be used."""

from __future__ import annotations

import io
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps, UnidentifiedImageError

from ildm.core.errors import ConfigError

MOST_PIXELS = 100_000_000
NUMBERS = ("PNG", "TIFF", "BMP", "GIF")
"""The kinds of pictures, by Pillow's names, whose pixels can be numbers."""
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")


class RefusedFile(Exception):  # noqa: N818 - a verdict on one file, not an error of the run
    """Why one file cannot be used, in a few words."""


def read_picture(
    source: Path | io.BytesIO, behind: tuple[int, int, int], *, formats: tuple[str, ...] | None = None
) -> Image.Image:
    """An image file as RGB: turned upright by its EXIF orientation, its clear parts laid on a colour.

    Args:
        behind: the colour, 0 to 255 per channel.
        formats: Pillow's names of the kinds that may come; None = all.

    Raises:
        RefusedFile: when the file is empty, no image, truncated, or larger than `MOST_PIXELS`.
    """
    with _opened(source, formats) as picture:
        return as_seen(picture, behind)


def as_seen(picture: Image.Image, behind: tuple[int, int, int]) -> Image.Image:
    """An opened image as RGB: turned upright by its EXIF orientation, its clear parts laid on a colour."""
    return _flatten(_eight_bit(ImageOps.exif_transpose(picture)), behind)


def read_numbers(source: Path | io.BytesIO, *, formats: tuple[str, ...] = NUMBERS) -> Image.Image:
    """An image file of one channel as it is, its pixels numbers and not colours.

    Args:
        formats: Pillow's names of the kinds that may come, all of them such that keep numbers as they are.

    Raises:
        RefusedFile: as `read_picture`, and when it has colours, or one bit a pixel.
    """
    with _opened(source, formats) as picture:
        if len(picture.getbands()) != 1 or picture.mode == "F":
            raise RefusedFile("it has colours; a map is a greyscale or a palette picture")
        if picture.mode == "1":
            raise RefusedFile(
                "it is black and white, one bit a pixel; a map is a greyscale or a palette picture of 8 bits or more"
            )
        return picture.copy()


def read_colour(name: str) -> tuple[int, int, int]:
    """A colour by its name ("white") or its hexadecimal notation ("#ffffff").

    Raises:
        ConfigError: for anything else.
    """
    try:
        return ImageColor.getcolor(name, "RGB")  # type: ignore[return-value]
    except ValueError as error:
        raise ConfigError(f"A colour is a name such as white or a code such as #ffffff, but {name!r} was given.") from error


@contextmanager
def _opened(source: Path | io.BytesIO, formats: tuple[str, ...] | None) -> Generator[Image.Image, None, None]:
    """A decoded image file; whatever goes wrong with it is a `RefusedFile`."""
    if isinstance(source, Path) and source.stat().st_size == 0:
        raise RefusedFile("the file is empty")
    try:
        with warnings.catch_warnings():
            # the size is judged below, against our own limit and before anything is decoded
            warnings.simplefilter("ignore")
            with Image.open(source, formats=formats) as picture:
                _check_pixels(picture)
                picture.load()
                yield picture
    except RefusedFile:
        raise
    except UnidentifiedImageError as error:
        kind = "an image" if formats is None else f"a picture of the kind {', '.join(formats)}"
        raise RefusedFile(f"not {kind} that can be read") from error
    except Image.DecompressionBombError as error:
        raise RefusedFile(f"larger than {MOST_PIXELS // 10**6} megapixels") from error
    except MemoryError as error:
        raise RefusedFile("too large for this machine's memory") from error
    except PermissionError as error:
        raise RefusedFile("the file may not be read") from error
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise RefusedFile(f"truncated or damaged ({error})") from error


def _check_pixels(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise RefusedFile(f"{width}x{height} pixels, more than {MOST_PIXELS // 10**6} megapixels")


def _eight_bit(picture: Image.Image) -> Image.Image:
    if picture.mode in _SIXTEEN_BIT or picture.mode == "I":
        values = np.asarray(picture, dtype=np.int64)
        # mode "I" holds 16-bit files too, but an 8-bit one may also arrive in it
        divisor = 257 if picture.mode in _SIXTEEN_BIT or values.max(initial=0) > 255 else 1
        return Image.fromarray(np.clip(values // divisor, 0, 255).astype(np.uint8))
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0.0, neginf=0.0)
        factor = 255.0 if values.max(initial=0.0) <= 1.0 else 1.0
        return Image.fromarray(np.clip(values * factor + 0.5, 0, 255).astype(np.uint8))
    return picture


def _flatten(picture: Image.Image, behind: tuple[int, int, int]) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    ground = Image.new("RGBA", layer.size, (*behind, 255))
    return Image.alpha_composite(ground, layer).convert("RGB")
