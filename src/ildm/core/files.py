"""Files that are either whole or not there: atomic writes, checksums, and where a person's files live."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
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


@contextmanager
def atomic_file(path: Path) -> Generator[Path, None, None]:
    """Yield a temporary path beside `path`; on success it replaces `path` in one step, on failure it vanishes.

    Raises:
        StorageError: when the disk is full or the folder may not be written; the former file is untouched.
    """
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
        StorageError: when the disk is full or the folder may not be written; the former folder is untouched.
    """
    with _told_plainly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
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
        # libraries wrap the system's error in their own, so look at the text too
        full = getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error) or "os error 28" in str(error)
        if full:
            raise StorageError(
                f"No room left on the disk while saving {path}: free some space and run the same command again."
            ) from error
        if isinstance(error, PermissionError):
            raise StorageError(f"{path} may not be written: choose another folder or change its permissions.") from error
        raise


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
