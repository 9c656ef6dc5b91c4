"""Making a store ready: a new one is created, an older one is backed up and brought up to date, anything else is refused."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from ildm.core.errors import StorageError
from ildm.core.files import atomic_file
from ildm.session.storage import schema
from ildm.session.storage.connections import BUSY_SECONDS
from ildm.session.storage.failures import is_busy, told_plainly

APPLICATION_ID = 0x696C646D
"""Says in the file's header whose database it is: "ildm"."""

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 108  # sqlite.org/fileformat.html, sections 1.3 and 1.6: page size at 16, application's id at 68, tables at 103
BETWEEN_TRIES = 0.01  # seconds

UPGRADES: Mapping[int, tuple[str, ...]] = {
    # 2: cursors have places of their own, pictures are checked like snapshots, presets are kept
    1: (
        """CREATE TABLE positions (
            session_id TEXT NOT NULL,
            cursor INTEGER NOT NULL,
            node INTEGER NOT NULL,
            branch INTEGER NOT NULL,
            following BOOLEAN NOT NULL,
            settings TEXT NOT NULL,
            PRIMARY KEY (session_id, cursor),
            FOREIGN KEY(session_id, node) REFERENCES nodes (session_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
            FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
        )""",
        # the branch that grew last is where a person was
        """INSERT INTO positions
            SELECT session_id, 0, max(tip), id, 1, settings FROM branches WHERE NOT deleted GROUP BY session_id""",
        """CREATE TABLE presets (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            updated FLOAT NOT NULL,
            sha256 BLOB NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (kind, name)
        )""",
    ),
    # 3: sessions and presets belong to somebody; all that were there, to the person whose store it is
    2: (
        "ALTER TABLE sessions ADD COLUMN owner TEXT DEFAULT '' NOT NULL",
        "ALTER TABLE presets RENAME TO former_presets",
        """CREATE TABLE presets (
            owner TEXT NOT NULL,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            updated FLOAT NOT NULL,
            sha256 BLOB NOT NULL,
            data BLOB NOT NULL,
            PRIMARY KEY (owner, kind, name)
        )""",
        "INSERT INTO presets SELECT '', kind, name, updated, sha256, data FROM former_presets",
        "DROP TABLE former_presets",
    ),
}
"""What brings a store of each version up to the next one."""


def prepare(path: Path) -> None:
    """Make the store at `path` one of this version.

    Raises:
        StorageError: when the file is something else, or newer, or cannot be written. It is then as it was.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    with told_plainly(path):
        while True:
            try:
                _prepare(path)
                return
            except sqlite3.OperationalError as error:
                # of two that make one store ready SQLite sends one away at once, lest they wait for each other
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(BETWEEN_TRIES)


def _prepare(path: Path) -> None:
    _check_header(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
        version = _version(database, path)
        if version == 0:
            database.execute("PRAGMA auto_vacuum=INCREMENTAL")  # while the file is empty: so that pruning can shrink it
        if version != schema.VERSION:
            _bring_up_to_date(database, path)
        # only once the header says whose file it is: in this mode the newest pages may lie beside it
        if database.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            database.execute("PRAGMA journal_mode=WAL")


def _check_header(path: Path) -> None:
    """Look at a file without SQLite, which would leave its own files beside it."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return
    if header and (len(header) < _HEADER_BYTES or not header.startswith(_MAGIC)):
        raise StorageError(
            f"{path} is no session store, or its beginning is damaged: choose another file, or put a backup back."
        )
    if header and int.from_bytes(header[68:72], "big") != APPLICATION_ID and not _is_bare(header, path):
        raise StorageError(f"{path} is a database of another program: choose another file for the sessions.")


def _is_bare(header: bytes, path: Path) -> bool:
    """Whether a database is one empty page that nobody has claimed: a store that is being made, or was when its program ended."""
    page_size, owner, tables = header[16:18], header[68:72], header[103:105]
    return not any(owner) and not any(tables) and path.stat().st_size == int.from_bytes(page_size, "big")


def _version(database: sqlite3.Connection, path: Path) -> int:
    """The store's version, 0 for an empty file.

    Raises:
        StorageError: when it is newer than this program.
    """
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > schema.VERSION:
        raise StorageError(
            f"The session store {path} has version {version} of a newer ildm, and this one reads up to version "
            f"{schema.VERSION}: update ildm, or choose another file."
        )
    return version


def _bring_up_to_date(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA synchronous=FULL")
    # from here on nobody else writes, so a backup holds all there is, and another program that opens it finds it ready
    database.execute("BEGIN IMMEDIATE")
    try:
        version = _version(database, path)
        if version == 0:
            _create(database)
        elif version < schema.VERSION:
            _back_up(path, version)
            for step in range(version, schema.VERSION):
                for statement in UPGRADES[step]:
                    database.execute(statement)
            _check_references(database, path)
        database.execute(f"PRAGMA user_version={schema.VERSION}")
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def _create(database: sqlite3.Connection) -> None:
    for table in schema.metadata.sorted_tables:
        database.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
    database.execute(f"PRAGMA application_id={APPLICATION_ID}")


def _back_up(path: Path, version: int) -> None:
    """Copy the store, as last committed, to `NAME.v1.backup`, or to `NAME.v1.backup-2` when there is one already."""
    first = path.with_name(f"{path.name}.v{version}.backup")
    place, count = first, 1
    while place.exists():
        count += 1
        place = first.with_name(f"{first.name}-{count}")
    with (
        atomic_file(place) as temporary,
        closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as source,
        closing(sqlite3.connect(temporary)) as copy,
    ):
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # a copy is one file


def _check_references(database: sqlite3.Connection, path: Path) -> None:
    broken = database.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise StorageError(
            f"The session store {path} cannot be brought up to date, because {len(broken)} of its rows refer to others that are "
            "missing: it is as it was; use it with the ildm that wrote it."
        )
