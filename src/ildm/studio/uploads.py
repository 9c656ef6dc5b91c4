"""Files that people send: pictures, looked at before they are decoded, written anew, and known by a number of ours."""

from __future__ import annotations

import contextlib
import io
import re
import secrets
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image as PILImage
from PIL import ImageOps
from PIL.PngImagePlugin import PngInfo

from ildm.core.files import atomic_file
from ildm.session.archive.carried import archive_keywords
from ildm.session.mask_pictures import mask_of_picture
from ildm.session.pictures.file import KEY
from ildm.session.pictures.parameters import KEYWORD, format_parameters, parameters_in
from ildm.session.pictures.text import comment_of
from ildm.session.wire import Mask
from ildm.studio.limits import Limits
from ildm.studio.refusals import Refused, too_large

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_SIDE = 4096
OURS = (KEY, *archive_keywords(), KEYWORD)
"""What a picture may say about how it was made; everything else it says is dropped, such as where a photograph was taken."""
_NUMBERS = ("P", "I;16", "I;16B", "I;16L", "I;16N")
"""Modes of pictures that may be maps, whose pixels are numbers of classes: they stay what they are."""
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Upload:
    """A file that was taken. `width`, `height` in pixels, of the upright picture."""

    id: str
    width: int
    height: int
    bytes: int


class Uploads:
    """A folder for each user. Every method blocks: call them in a thread.

    Args:
        folder: made when the first file comes.
        limits: `upload_bytes` and `uploads` count here.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder, self.limits = folder, limits

    def take(self, user: str, data: bytes) -> Upload:
        """Take a file.

        Raises:
            Refused: when it is too large, of another kind than PNG, JPEG or WebP, or damaged.
            StorageError: when it cannot be kept.
        """
        if len(data) > self.limits.upload_bytes:
            raise too_large(self.limits.upload_bytes)
        picture, text = _open(data)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", pnginfo=text, compress_level=4)
        number, folder = secrets.token_hex(16), self._of(user)
        with atomic_file(folder / f"{number}.png") as temporary:
            temporary.write_bytes(buffer.getvalue())
        self._drop_oldest(folder)
        return Upload(number, picture.width, picture.height, len(buffer.getvalue()))

    def read(self, user: str, number: str) -> bytes:
        """The PNG that a file was written as.

        Raises:
            Refused: when there is none, or it is somebody else's.
        """
        if _ID.fullmatch(number) is None:
            raise _unknown(number)
        folder = self._of(user)
        path = (folder / f"{number}.png").resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise _unknown(number)
        return path.read_bytes()

    def read_mask(self, user: str, number: str) -> Mask:
        """A file as a mask: what is opaque of a picture with an alpha channel, else how bright it is.

        Raises:
            Refused: when there is none, or it is somebody else's.
        """
        with PILImage.open(io.BytesIO(self.read(user, number))) as picture:
            return mask_of_picture(picture)

    def _of(self, user: str) -> Path:
        # a name may hold anything; its letters' numbers are safe in a path
        return self._folder / f"u{user.encode().hex()}"

    def _drop_oldest(self, folder: Path) -> None:
        kept, room = 0, self.limits.upload_total
        for _, num_bytes, path in sorted(_files_in(folder), reverse=True):
            kept, room = kept + 1, room - num_bytes
            if kept > 1 and (kept > self.limits.uploads or room < 0):
                path.unlink(missing_ok=True)


def _files_in(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """When each was sent, how large it is, and where it lies."""
    for path in folder.glob("*.png"):
        with contextlib.suppress(FileNotFoundError):  # it has made room for another one meanwhile
            state = path.stat()
            yield state.st_mtime_ns, state.st_size, path


def _open(data: bytes) -> tuple[PILImage.Image, PngInfo]:
    try:
        with warnings.catch_warnings():
            # the size is judged below, against our own limit and before anything is decoded
            warnings.simplefilter("ignore")
            picture = PILImage.open(io.BytesIO(data), formats=FORMATS)
            if max(picture.size) > MAX_SIDE:
                raise Refused("too-large", f"A picture has at most {MAX_SIDE} pixels a side: make it smaller.")
            picture.load()
    except (Refused, PILImage.DecompressionBombError) as error:
        problem = Refused("too-large", f"A picture has at most {MAX_SIDE} pixels a side: make it smaller.")
        raise problem from error
    except Exception as error:  # decoders raise whatever they like on damaged bytes
        raise Refused(
            "wrong-type", "This is no PNG, JPEG or WebP picture, or a damaged one: save it once more as one."
        ) from error
    text = PngInfo()
    for keyword in OURS:
        said = picture.info.get(keyword)
        if picture.format == "PNG" and isinstance(said, str):
            text.add_itxt(keyword, said, zip=True)
    if KEYWORD not in picture.info:
        _keep_comment(picture, text)
    upright = ImageOps.exif_transpose(picture)
    has_alpha = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    numbered = _NUMBERS if not has_alpha else ()
    mode = upright.mode if upright.mode in (*numbered, "L", "RGB", "RGBA") else "RGBA" if has_alpha else "RGB"
    clean = upright.convert(mode)
    clean.info.clear()
    return clean, text


def _keep_comment(picture: PILImage.Image, text: PngInfo) -> None:
    """Where other programs put `parameters` into a comment, keep those that we know; what a camera put there is nobody's business."""
    try:
        said = comment_of(picture)
    except Exception:  # damaged metadata of a picture that is none the worse for it
        return
    found = None if said is None else parameters_in(said)
    if found is not None and found.num_steps is not None:
        text.add_itxt(KEYWORD, format_parameters(replace(found, other={})), zip=True)


def _unknown(number: str) -> Refused:
    return Refused("not-found", f"There is no upload {number[:40]!r}: send it first.")
