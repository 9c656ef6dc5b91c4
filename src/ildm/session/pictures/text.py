"""What a picture file says in words beside its pixels: the text of a PNG, the EXIF comment of a JPEG, WebP or PNG."""

from __future__ import annotations

import codecs
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as PILImage
from PIL.ExifTags import IFD, Base

from ildm.core.errors import DataError

_CODE_BYTES = 8  # the name of the comment's encoding, padded with zeros (EXIF 2.32, section 4.6.5)


def read_text(path: Path, keyword: str) -> str | None:
    """The PNG text of a keyword (tEXt, zTXt or iTXt, before or after the pixels), or None.

    Raises:
        DataError: when the file is missing or no image.
    """
    with _opened(path) as picture:
        if picture.format != "PNG":
            return None
        if keyword not in picture.info:
            picture.load()  # words that come after the pixels
        found = picture.info.get(keyword)
    return found if isinstance(found, str) else None


def read_comment(path: Path) -> str | None:
    """The EXIF UserComment, or None.

    Raises:
        DataError: when the file is missing or no image.
    """
    with _opened(path) as picture:
        return comment_of(picture)


def comment_of(picture: PILImage.Image) -> str | None:
    """The EXIF UserComment of an open picture, or None."""
    comment = picture.getexif().get_ifd(IFD.Exif).get(Base.UserComment)
    if isinstance(comment, str):
        return comment
    return decode_comment(comment) if isinstance(comment, bytes) else None


def decode_comment(comment: bytes) -> str:
    """The words of a UserComment: UTF-16 after `UNICODE`, else UTF-8, which holds ASCII; bytes that are neither become U+FFFD.

    The byte order of UTF-16 is said nowhere and writers differ, so it is found: that in which more letters are Latin ones,
    big-endian where neither has more.
    """
    code, words = comment[:_CODE_BYTES].rstrip(b"\0"), comment[_CODE_BYTES:]
    if code == b"UNICODE":
        if words.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
            encoding = "utf-16"
        else:
            encoding = "utf-16-be" if words[::2].count(0) >= words[1::2].count(0) else "utf-16-le"
        return words.decode(encoding, errors="replace").rstrip("\0")
    if code not in (b"ASCII", b""):
        words = comment  # no name of an encoding: the comment begins at once
    return words.decode("utf-8", errors="replace").rstrip("\0")


@contextmanager
def _opened(path: Path) -> Generator[PILImage.Image, None, None]:
    if not path.is_file():
        raise DataError(f"There is no picture {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which is not asked for
            with PILImage.open(path) as picture:
                yield picture
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise DataError(f"{path} cannot be read as an image ({error}).") from error
