"""Making room: which sessions go, and giving their room back to the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection, delete

from ildm.core.errors import ConfigError, StorageError
from ildm.session.storage import schema
from ildm.session.storage.connections import BUSY_SECONDS
from ildm.session.storage.failures import told_plainly
from ildm.session.storage.records import SessionSummary

_PAGES_AT_ONCE = 2000
"""Freed in one transaction: 8 MB, so that others get their turn, and a nearly full disk suffices."""


def choose(
    sessions: Sequence[SessionSummary], now: float, *, keep: int | None, older_than: timedelta | None
) -> list[SessionSummary]:
    """The sessions to prune; with both conditions, those that meet both.

    Args:
        sessions: the one that changed last first.
        now: seconds since 1970.
        keep: how many of the first are left alone.
        older_than: how long nothing has changed in those that go.

    Raises:
        ConfigError: when a condition is negative.
    """
    if keep is not None and keep < 0:
        raise ConfigError(f"The number of sessions to keep is 0 or more, but {keep} was given.")
    if older_than is not None and older_than < timedelta(0):
        raise ConfigError(f"The age of sessions to prune is 0 or more, but {older_than.total_seconds():g} s were given.")
    rest = sessions[keep or 0 :]
    if older_than is None:
        return list(rest)
    return [session for session in rest if session.updated < now - older_than.total_seconds()]


def remove(connection: Connection, session_ids: Sequence[str], *, snapshots_only: bool) -> None:
    """Delete sessions, or only their snapshots, within a transaction."""
    table = schema.snapshots if snapshots_only else schema.sessions
    key = table.c.session_id if snapshots_only else table.c.id
    for session_id in session_ids:
        connection.execute(delete(table).where(key == session_id))


def bytes_on_disk(path: Path) -> int:
    """Of a store and of what has not been moved into it yet."""
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


def make_ready(path: Path) -> None:
    """Move what was written last into the store, so that its place is free and deleting needs no room, even on a full disk.

    Raises:
        StorageError: when the store cannot be used.
    """
    with told_plainly(path), closing(_connect(path)) as database, _unless_full():
        database.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()


def shrink(path: Path) -> None:
    """Give free pages back to the disk, a few at a time. Where there is no room even for that, they stay and are written anew.

    Raises:
        StorageError: when the store cannot be used.
    """
    with told_plainly(path), closing(_connect(path)) as database:
        before, free = None, _free_pages(database)
        with _unless_full():
            while free and free != before:
                database.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                before, free = free, _free_pages(database)


def check_given(keep: int | None, older_than: timedelta | None, snapshots_only: bool) -> None:
    """Pruning without a condition would delete all.

    Raises:
        ConfigError: then.
    """
    if keep is None and older_than is None and not snapshots_only:
        raise ConfigError(
            "Nothing says which sessions to prune: give how many to keep, how old they must be, or snapshots only."
        )


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        raise StorageError(f"There is no session store {path}.")
    database = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    database.execute("PRAGMA secure_delete=FAST")
    return database


@contextmanager
def _unless_full() -> Generator[None, None, None]:
    """Go on without what a full disk does not let us do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise


def _free_pages(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA freelist_count").fetchone()[0]
