"""Sessions inside pictures: an archive in the words beside a PNG's pixels, in pieces that every reader of pictures takes."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from ildm.core.errors import DataError, ProtocolError
from ildm.session.archive.file import SUFFIX
from ildm.session.pictures.file import read_call
from ildm.session.pictures.text import read_text

ARCHIVE_KEY = "ildm-session"
"""The keyword of the first piece; the others have a number behind it, from 2."""
PIECE = 2**20 - 1024
"""Letters of a piece: programs that read pictures with Pillow refuse one with a text of more than 1 MiB in it."""
MOST_PIECES = 32


def archive_texts(data: bytes) -> dict[str, str]:
    """An archive as texts by their keywords."""
    letters = base64.b64encode(data).decode()
    pieces = [letters[start : start + PIECE] for start in range(0, len(letters), PIECE)]
    return {_keyword(number): piece for number, piece in enumerate(pieces, 1)}


def archive_keywords() -> list[str]:
    """All keywords under which a piece may be."""
    return [_keyword(number) for number in range(1, MOST_PIECES + 1)]


def carries_session(path: Path) -> bool:
    """Whether a picture brings a session along.

    Raises:
        DataError: when it is no picture.
    """
    return read_text(path, ARCHIVE_KEY) is not None


@contextmanager
def archive_in(path: Path) -> Generator[Path, None, None]:
    """The archive of a session: the file itself, or what a picture carries, in a file that goes when the block is left.

    Raises:
        DataError: for a missing file, or a picture without a session.
        ProtocolError: for a damaged one, within the block too.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.suffix.lower() == SUFFIX:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ildm-") as folder:
        archive = Path(folder) / f"carried{SUFFIX}"
        archive.write_bytes(_carried(path))
        try:
            yield archive
        except ProtocolError as error:
            # a person knows the picture, not what was taken out of it
            raise ProtocolError(str(error).replace(str(archive), str(path))) from error


def _carried(path: Path) -> bytes:
    pieces: list[str] = []
    for number in count(1):
        piece = read_text(path, _keyword(number)) if number <= MOST_PIECES else None
        if piece is None:
            break
        pieces.append(piece)
    if not pieces and "log_hash" in (read_call(path) or {}):
        raise DataError(
            f"{path} only names its session, which was too large for a picture: give the {SUFFIX} file of its export."
        )
    if not pieces:
        raise DataError(f"{path} carries no session: give a {SUFFIX} file, or a PNG that `Session.save` or the studio wrote.")
    try:
        return base64.b64decode("".join(pieces), validate=True)
    except ValueError as error:
        raise ProtocolError(f"The session in {path} is damaged ({error}).") from error


def _keyword(number: int) -> str:
    return ARCHIVE_KEY if number == 1 else f"{ARCHIVE_KEY}-{number}"
