"""Connections to a store: one that writes, any number that read, each set up for what it must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

BUSY_SECONDS = 30.0
"""How long to wait for another program that is writing."""


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


def _engine(path: Path, **pool: int) -> Engine:
    # isolation_level None: sqlite3 begins no transaction by itself, so the listeners say how one begins
    arguments = {"timeout": BUSY_SECONDS, "isolation_level": None, "check_same_thread": False}
    return create_engine(URL.create("sqlite", database=str(path)), connect_args=arguments, poolclass=QueuePool, **pool)


def _prepare_writing(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


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
