"""What SQLite says when it cannot go on, in words a person can act on."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from ildm.core.errors import IldmError, StorageError
from ildm.core.files import storage_sentence

HEADROOM = 16 * 2**20
"""Bytes that stay free: the write-ahead log, 4 MB as a rule, moves into them, and to delete something takes a few more."""
_SCARCE = 2**20
"""A disk with less room than this is full: SQLite calls some of its failures there by other names."""


def has_room(path: Path) -> bool:
    """Whether the disk of `path` has more than its headroom left, which on a small disk is a quarter of it."""
    try:
        usage = shutil.disk_usage(path.parent)
    except OSError:  # whatever is wrong there, writing will say it
        return True
    return usage.free > min(HEADROOM, usage.total // 4)


def no_room(path: Path) -> StorageError:
    """The error for a disk that has not."""
    return StorageError(storage_sentence(path, errno.ENOSPC))


@contextmanager
def told_plainly(path: Path) -> Generator[None, None, None]:
    """Turn what SQLite and the system raise while the store at `path` is used into a sentence.

    Raises:
        StorageError: in place of those.
    """
    try:
        yield
    except (DBAPIError, sqlite3.Error, OSError) as error:
        raise in_words(error, path) from error


def in_words(error: Exception, path: Path) -> Exception:
    """The error to show for `error`; what is meant for a person already, or is no one's fault but ours, stays as it is."""
    if isinstance(error, OSError):
        return StorageError(storage_sentence(path, error.errno))
    code = error_code(error)
    if isinstance(error, IldmError) or code is None:
        return error
    return StorageError(_sentence(code, path, str(getattr(error, "orig", error))))


def is_busy(error: Exception) -> bool:
    """Whether another program holds the store, so that no batch can be written now."""
    return error_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_full(error: Exception) -> bool:
    """Whether the disk had no room."""
    return error_code(error) == sqlite3.SQLITE_FULL


def error_code(error: Exception) -> int | None:
    """SQLite's primary code of an error, None when it is not SQLite's."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(origin, sqlite3.Error):
        return None
    code = getattr(origin, "sqlite_errorcode", None)
    return sqlite3.SQLITE_ERROR if code is None else code & 0xFF


def _sentence(code: int, path: Path, said: str) -> str:
    match code:
        case sqlite3.SQLITE_FULL:
            return storage_sentence(path, errno.ENOSPC)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN if _is_full(path):
            return storage_sentence(path, errno.ENOSPC)
        case sqlite3.SQLITE_IOERR:
            return storage_sentence(path, errno.EIO)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN:
            return storage_sentence(path, errno.EISDIR if path.is_dir() else errno.EACCES)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"Another program has kept the session store {path} busy for too long: end it and try again."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return (
                f"The session store {path} is damaged ({said}): put a backup of it back, or move it away and begin a new one."
            )
        case sqlite3.SQLITE_CONSTRAINT:
            return (
                f"A batch for the session store {path} refers to a state or a session that is not there ({said}): "
                "save that first, or in the same batch."
            )
        case sqlite3.SQLITE_TOOBIG:
            return f"A piece of data is too large for the session store {path} ({said}): make it smaller."
        case _:
            return f"The session store {path} cannot be used ({said}): check that it is a file of yours, or choose another."


def _is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _SCARCE
    except OSError:
        return False
