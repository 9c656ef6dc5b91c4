"""Connections to a store: one that writes, any number that read, each set up for what it must hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

BUSY_SECONDS = 30.0
"""How long to wait for another program that is writing."""
_LOG_BYTES = 16 * 2**20
"""What the write-ahead log keeps for itself after it was larger."""


def writing_engine(path: Path) -> Engine:
    """One connection. Its transactions take the write lock at once, and a commit returns when the disk has it."""
    engine = _engine(path, pool_size=1, max_overflow=0)
    event.listen(engine, "connect", _prepare_writing)
    event.listen(engine, "begin", _begin_immediate)
    return engine


def reading_engine(path: Path) -> Engine:
    """Connections as needed. A transaction sees the store as it was at its first read, and waits for no writer."""
    engine = _engine(path, pool_size=4, max_overflow=-1)
    event.listen(engine, "connect", _prepare_reading)
    event.listen(engine, "begin", _begin)
    return engine


def release_log(path: Path) -> None:
    """Give the room of the write-ahead log back to the disk: after a batch that was too large it may be all there was.

    Without waiting: where somebody else is at work, it stays.
    """
    with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _engine(path: Path, **pool: int) -> Engine:
    # isolation_level None: sqlite3 begins no transaction by itself, so the listeners say how one begins
    arguments = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
    return create_engine(URL.create("sqlite", database=str(path)), connect_args=arguments, poolclass=QueuePool, **pool)


def _prepare_writing(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
    # some builds write zeros over all that is deleted, which takes room on a full disk; pruning gives it back to the disk instead
    connection.execute("PRAGMA secure_delete=FAST")


def _prepare_reading(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only=ON")
    # SQLite itself knows upper and lower case of English letters only
    connection.create_function("casefold", 1, _casefold, deterministic=True)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _casefold(text: str | None) -> str | None:
    return None if text is None else text.casefold()
