"""Masks as PNG pictures: in a text, in a file beside the one that names it, and as bytes."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from PIL import Image as PILImage
from PIL import ImageOps

from ildm.session.wire import MAX_IMAGE_BYTES, Mask

URI_HEAD = "data:image/png;base64,"
MAX_SIDE = 4096
_SIXTEEN_BIT = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class PictureError(ValueError):
    """Why a picture cannot be used, and what to do."""


def mask_of_png(data: bytes) -> Mask:
    """The mask in a PNG: its alpha where any of it is transparent, else its brightness, white = inside.

    Raises:
        PictureError: when it is none, damaged, or more than 4096 pixels wide or high.
    """
    return mask_of_picture(open_png(data))


def mask_of_picture(picture: PILImage.Image) -> Mask:
    """The mask in a picture: its alpha where any of it is transparent, else its brightness, white = inside.

    Raises:
        ShapeError: when it is more than 4096 pixels wide or high.
    """
    if picture.has_transparency_data:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < 255:
            return Mask.from_array(alpha)
    if picture.mode in _SIXTEEN_BIT:
        return Mask.from_array(np.asarray(picture).astype(np.float64) / 65535.0)
    return Mask.from_array(np.asarray(picture.convert("RGB").convert("L")))


def png_of_mask(mask: Mask) -> bytes:
    """A mask as a small greyscale PNG, white = inside; one bit for each pixel where that is enough."""
    values = np.rint(mask.to_array() * 255.0).astype(np.uint8)
    picture = PILImage.fromarray(values)
    if np.isin(values, (0, 255)).all():
        picture = picture.convert("1", dither=PILImage.Dither.NONE)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def open_png(data: bytes) -> PILImage.Image:
    """A PNG, turned upright.

    Raises:
        PictureError: when it is none, damaged, or more than 4096 pixels wide or high.
    """
    try:
        with warnings.catch_warnings():
            # the size is judged below, against our own limit and before anything is decoded
            warnings.simplefilter("ignore")
            picture = PILImage.open(io.BytesIO(data), formats=("PNG",))
            width, height = picture.size
            if max(width, height) <= MAX_SIDE:
                picture.load()
                return ImageOps.exif_transpose(picture)
    except PILImage.DecompressionBombError as error:
        raise PictureError(f"it has far more than {MAX_SIDE} pixels a side: make it smaller") from error
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise PictureError("it is no PNG picture, or a damaged one: save it as PNG once more") from error
    raise PictureError(f"it has {width} x {height} pixels, but {MAX_SIDE} a side is the most: make it smaller")


def in_uri(data: bytes) -> str:
    """The bytes of a PNG as a data URI."""
    return URI_HEAD + base64.b64encode(data).decode()


def png_named(text: str, folder: Path | None) -> bytes:
    """The bytes of a PNG that a text holds as a data URI, or names as a file.

    Args:
        folder: where files are looked for, and out of which no name may lead; None = files cannot be named.

    Raises:
        PictureError: when there is none.
    """
    if text.startswith("data:"):
        return _uri_bytes(text)
    if folder is None:
        raise PictureError(f"{_short(text)} names a file, but here a picture is a text that begins with {URI_HEAD!r}")
    path = _inside(text, folder)
    try:
        if not path.is_file():
            raise PictureError(f"there is no file {_short(text)} in the preset's folder: put it there, or name another")
        if path.stat().st_size > MAX_IMAGE_BYTES:
            raise PictureError(f"the file {_short(text)} has more than {MAX_IMAGE_BYTES >> 20} MB: make the picture smaller")
        return path.read_bytes()
    except OSError as error:
        raise PictureError(
            f"the file {_short(text)} cannot be read ({error.strerror}): look at its name and who may read it"
        ) from error


def _uri_bytes(text: str) -> bytes:
    if not text.startswith(URI_HEAD):
        raise PictureError(f"a picture in the text begins with {URI_HEAD!r}, but this one with {_short(text)}: save it as PNG")
    try:
        return base64.b64decode(text.removeprefix(URI_HEAD), validate=True)
    except (binascii.Error, ValueError) as error:
        raise PictureError("the text behind 'base64,' is not base64: it was cut or changed, so write it once more") from error


def _inside(name: str, folder: Path) -> Path:
    """The path of a file that lies in a folder or below it."""
    # as any system would read it: a file that came from one may be read on another
    windows = PureWindowsPath(name)
    leads_out = windows.drive or windows.root or PurePosixPath(name).is_absolute() or ".." in windows.parts
    try:
        path = (folder / name).resolve()
    except (OSError, ValueError) as error:
        raise PictureError(f"{_short(name)} cannot be the name of a file: say another one") from error
    if leads_out or not path.is_relative_to(folder.resolve()):
        raise PictureError(f"{_short(name)} leads out of the preset's folder: put the picture into it")
    return path


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
