"""Files that are either whole or not there: atomic writes, checksums, and where a person's files live."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ildm.core.errors import StorageError


def home() -> Path:
    """Where runs, data and caches live: `ILDM_HOME`, else the user's data folder. Nothing is made here."""
    given = os.environ.get("ILDM_HOME")
    if given:
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "ildm"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "ildm"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "ildm"


def storage_sentence(path: Path, number: int | None) -> str:
    """What to tell a person when `path` could not be written, by the system's error number."""
    blocking = _file_in_the_way(path)
    if blocking is not None:
        return f"{path} cannot be written, because {blocking} is a file, not a folder: choose another place."
    if number == errno.EISDIR or (number == errno.EEXIST and path.is_dir()):
        return f"{path} is a folder, but a file is to be written there: choose another name."
    if number in (errno.EEXIST, errno.ENOTDIR):
        return f"{path} is a file, but a folder is to be written there: choose another name."
    reasons = {
        errno.ENOSPC: f"No room left on the disk while saving {path}: free some space and run the same command again.",
        errno.EDQUOT: f"No room left in your disk quota while saving {path}: free some space and run the same command again.",
        errno.EACCES: f"{path} may not be written: choose another folder or change its permissions.",
        errno.EPERM: f"{path} may not be written: choose another folder or change its permissions.",
        errno.EROFS: f"{path} lies on a disk that can only be read: choose another place.",
        errno.ENOENT: f"{path} cannot be written, because its folder cannot be made: choose another place.",
        errno.ENAMETOOLONG: f"{path} has a name that is too long for this disk: choose a shorter one.",
    }
    said = "unknown error" if number is None else os.strerror(number)
    return reasons.get(number or 0, f"{path} cannot be written ({said}): choose another place.")


def holds_something(folder: Path) -> bool:
    """Whether a new folder cannot be put here without anything being lost: there is a file, or a folder that is not empty."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def check_named(path: Path) -> None:
    """See that a path ends in a name, so that something can be put there in one step: `.`, `..` and `/` do not.

    Raises:
        StorageError: when it does not.
    """
    if path.name in ("", ".."):
        raise StorageError(f"{path} says where, but not by which name to write: add one, as in {path / 'new'}.")


def check_writable(path: Path, *, folder: bool = False) -> None:
    """Try whether a file, or with `folder` a folder of files, can be written at `path`, before any work is spent on it.

    Nothing stays behind: the trial happens in the nearest folder that exists.

    Raises:
        StorageError: when it cannot.
    """
    try:
        if path.exists() and path.is_dir() is not folder:
            number = errno.ENOTDIR if folder else errno.EISDIR
            raise OSError(number, os.strerror(number))
        place = (path if folder else path.parent).absolute()
        nearest = next(parent for parent in (place, *place.parents) if parent.exists())
        with tempfile.TemporaryDirectory(prefix=".ildm-", dir=nearest):
            pass
    except OSError as error:
        raise StorageError(storage_sentence(path, error.errno)) from error


@contextmanager
def atomic_file(path: Path) -> Generator[Path, None, None]:
    """Yield a temporary path beside `path`; on success it replaces `path` in one step, on failure it vanishes.

    Raises:
        StorageError: when it cannot be written, with the reason; the former file is untouched.
    """
    check_named(path)
    with _told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Generator[Path, None, None]:
    """Yield a temporary folder beside `path`; on success it takes `path`'s place, on failure it vanishes.

    Raises:
        StorageError: when it cannot be written, with the reason; the former folder is untouched.
    """
    check_named(path)
    with _told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        mark = uuid.uuid4().hex[:8]
        temporary = path.with_name(f".{path.name}.{mark}.part")
        former = path.with_name(f".{path.name}.{mark}.former")
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            if path.exists():
                path.rename(former)
            try:
                temporary.rename(path)
            except OSError:
                if former.exists():
                    former.rename(path)
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, indented, UTF-8."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """The hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _told_plainly(path: Path) -> Generator[None, None, None]:
    try:
        yield
    except Exception as error:
        number = _error_number(error)
        if number is None or not _concerns(error, path):
            raise
        raise StorageError(storage_sentence(path, number)) from error


def _error_number(error: Exception) -> int | None:
    """The system's error number; libraries wrap the system's error in their own, so the text counts too."""
    if isinstance(error, OSError):
        return error.errno
    named = re.search(r"os error (\d+)", str(error))
    if named is not None:
        return int(named[1])
    return errno.ENOSPC if "No space left" in str(error) else None


def _concerns(error: Exception, path: Path) -> bool:
    """Whether an error is about `path`, what lies in it or the folders above it, and not about a file read meanwhile."""
    named = getattr(error, "filename", None)
    if not isinstance(named, str):
        return True
    place, folder = Path(named).absolute(), path.parent.absolute()
    return place.is_relative_to(folder) or folder.is_relative_to(place)


def _file_in_the_way(path: Path) -> Path | None:
    """The file, if any, that stands where `path` needs a folder."""
    return next((place for place in path.parents if place.is_file()), None)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
