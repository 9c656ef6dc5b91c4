"""A store is created, brought up to date behind a backup, or refused as it is."""

import os
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from kept import MASK, MASK_ID, fill, opened, settings, snapshot

from ildm.core.errors import StorageError
from ildm.session.storage import migrations
from ildm.session.storage.migrations import APPLICATION_ID
from ildm.session.storage.rows import content_row, event_row
from ildm.session.storage.schema import VERSION
from ildm.session.store import Store
from ildm.session.wire import to_json

VERSION_1 = f"""
PRAGMA auto_vacuum=INCREMENTAL;
CREATE TABLE sessions (
    id TEXT NOT NULL, title TEXT NOT NULL, model TEXT NOT NULL, created FLOAT NOT NULL, updated FLOAT NOT NULL,
    status TEXT NOT NULL, PRIMARY KEY (id)
);
CREATE TABLE events (
    session_id TEXT NOT NULL, seq INTEGER NOT NULL, sha256 BLOB NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (session_id, seq), FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE TABLE nodes (
    session_id TEXT NOT NULL, id INTEGER NOT NULL, parent INTEGER, step INTEGER NOT NULL, origin TEXT NOT NULL, name TEXT,
    settings TEXT NOT NULL, PRIMARY KEY (session_id, id),
    FOREIGN KEY(session_id, parent) REFERENCES nodes (session_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE TABLE branches (
    session_id TEXT NOT NULL, id INTEGER NOT NULL, tip INTEGER NOT NULL, name TEXT, deleted BOOLEAN NOT NULL,
    settings TEXT NOT NULL, PRIMARY KEY (session_id, id), FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE TABLE snapshots (
    session_id TEXT NOT NULL, node INTEGER NOT NULL, sha256 BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (session_id, node),
    FOREIGN KEY(session_id, node) REFERENCES nodes (session_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE TABLE images (
    session_id TEXT NOT NULL, node INTEGER NOT NULL, sha256 BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (session_id, node),
    FOREIGN KEY(session_id, node) REFERENCES nodes (session_id, id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
CREATE TABLE blobs (
    session_id TEXT NOT NULL, id TEXT NOT NULL, sha256 BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (session_id, id),
    FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
PRAGMA application_id={APPLICATION_ID};
PRAGMA user_version=1;
PRAGMA journal_mode=WAL;
"""
SIDE_FILES = ("-wal", "-shm", "-journal")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.sqlite"


def make_version_1(path):
    """A session of three states on two branches, as the first version kept it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(VERSION_1)
        database.execute("INSERT INTO sessions VALUES ('old', 'a cat', 'emoji-scenes', 1.0, 2.0, 'paused')")
        event, mask = event_row(opened()), content_row(MASK)
        database.execute("INSERT INTO events VALUES ('old', 0, ?, ?)", (event["sha256"], event["data"]))
        database.execute("INSERT INTO blobs VALUES ('old', ?, ?, ?)", (MASK_ID, mask["sha256"], mask["data"]))
        for number, parent in ((0, None), (1, 0), (2, 0)):
            state = content_row(snapshot(number))
            database.execute(
                "INSERT INTO nodes VALUES ('old', ?, ?, ?, 'step', NULL, ?)", (number, parent, number, to_json(settings()))
            )
            database.execute("INSERT INTO snapshots VALUES ('old', ?, ?, ?)", (number, state["sha256"], state["data"]))
        for branch, (tip, prompt, deleted) in enumerate(((1, "a cat", 0), (2, "a lion", 0), (2, "gone", 1))):
            row = (branch, tip, None, deleted, to_json(settings(prompt)))
            database.execute("INSERT INTO branches VALUES ('old', ?, ?, ?, ?, ?)", row)


def version(path):
    with closing(sqlite3.connect(path)) as database:
        return database.execute("PRAGMA user_version").fetchone()[0]


def contents(path):
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


def shape(path):
    """What the tables are, however they were written down."""
    with closing(sqlite3.connect(path)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {
            table: (
                database.execute(f"PRAGMA table_info({table})").fetchall(),
                sorted(row[2:] for row in database.execute(f"PRAGMA foreign_key_list({table})")),
                sorted(row[2:] for row in database.execute(f"PRAGMA index_list({table})")),
            )
            for table in tables
        }


def test_a_new_store_says_what_it_is(path):
    with Store(path), closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert version(path) == VERSION == 3
    header = path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert [file.name for file in path.parent.iterdir()] == ["sessions.sqlite"]


def test_a_store_of_the_first_version_is_brought_up_to_date_behind_a_backup(path):
    make_version_1(path)
    before = contents(path)
    with Store(path) as store:
        session = store.load("old")
        assert session.opened == opened()
        assert [(node.id, node.parent) for node in session.nodes] == [(0, None), (1, 0), (2, 0)]
        assert [session.snapshot(number) for number in range(3)] == [snapshot(number) for number in range(3)]
        assert session.blob(MASK_ID) == MASK
        [position] = session.positions
        assert (position.cursor, position.node, position.branch, position.following) == (0, 2, 1, True)
        assert position.settings.prompt == "a lion"
        assert store.presets.all() == []
        assert [session.owner for session in store.sessions()] == [""]
        fill(store)
    assert version(path) == 3
    backup = path.with_name("sessions.sqlite.v1.backup")
    assert version(backup) == 1
    assert contents(backup) == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["sessions.sqlite", "sessions.sqlite.v1.backup"]


def test_presets_of_the_second_version_are_those_of_the_person_whose_store_it_is(path):
    make_version_1(path)
    row = content_row(b"three rows")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in migrations.UPGRADES[1]:
            database.execute(statement)
        database.execute("INSERT INTO presets VALUES ('regions', 'rows', 3.0, ?, ?)", (row["sha256"], row["data"]))
        database.execute("PRAGMA user_version=2")
    with Store(path) as store:
        assert store.presets.load("regions", "rows") == b"three rows"
        assert store.presets.of("anna").all() == []
    assert version(path.with_name("sessions.sqlite.v2.backup")) == 2


def test_a_store_brought_up_to_date_is_like_a_new_one(path, tmp_path):
    make_version_1(path)
    with Store(path), Store(tmp_path / "new.sqlite"):
        pass
    assert shape(path) == shape(tmp_path / "new.sqlite")


def test_a_former_backup_is_not_overwritten(path):
    for _ in range(2):
        make_version_1(path)
        with Store(path):
            pass
        path.unlink()
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["sessions.sqlite.v1.backup", "sessions.sqlite.v1.backup-2"]


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(path, monkeypatch):
    make_version_1(path)
    before = contents(path)
    steps = {1: (migrations.UPGRADES[1][0], "INSERT INTO nowhere VALUES (1)")}
    monkeypatch.setattr(migrations, "UPGRADES", steps)
    with pytest.raises(StorageError, match="no such table: nowhere"):
        Store(path)
    assert contents(path) == before
    monkeypatch.undo()
    with Store(path) as store:
        assert len(store.load("old").nodes) == 3


def test_rows_that_refer_to_nothing_stop_an_upgrade(path):
    make_version_1(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("DELETE FROM nodes WHERE id = 1")
    with pytest.raises(StorageError, match="1 of its rows refer to others that are missing: it is as it was"):
        Store(path)
    assert version(path) == 1


def test_no_room_for_the_backup_leaves_the_store_as_it_was(small_disk):
    disk = small_disk(2)
    path = disk / "sessions.sqlite"
    make_version_1(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE blobs SET data = randomblob(500000)")
    (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 60_000))
    with pytest.raises(StorageError, match="No room left on the disk while saving"):
        Store(path)
    assert version(path) == 1
    assert sorted(file.name for file in disk.iterdir() if not file.name.endswith(SIDE_FILES)) == ["ballast", "sessions.sqlite"]
    (disk / "ballast").unlink()


def other_database(path):
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE bookmarks (url)")


def newer_store(path):
    with Store(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute(f"PRAGMA user_version={VERSION + 1}")


def damaged_header(path):
    with Store(path):
        pass
    data = bytearray(path.read_bytes())
    data[3] ^= 64
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_text("Dear diary, " * 50), "is no session store, or its beginning is damaged"),
        (lambda path: path.write_bytes(b"SQLite format 3\0"), "is no session store, or its beginning is damaged"),
        (other_database, "is a database of another program"),
        (damaged_header, "is no session store, or its beginning is damaged"),
        (newer_store, f"has version {VERSION + 1} of a newer ildm, and this one reads up to version {VERSION}"),
    ],
    ids=["text", "short", "other database", "damaged", "newer"],
)
def test_what_is_no_store_of_this_version_is_refused_untouched(path, make, said):
    make(path)
    before, stamp = path.read_bytes(), os.stat(path).st_mtime_ns  # noqa: PTH116
    with pytest.raises(StorageError, match=said) as told:
        Store(path)
    assert str(path) in str(told.value)
    assert str(told.value).count("\n") == 0
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, stamp)
    assert [file.name for file in path.parent.iterdir()] == ["sessions.sqlite"]


def test_an_empty_file_becomes_a_store(path):
    path.touch()
    with Store(path) as store:
        fill(store)
    assert version(path) == VERSION


@pytest.mark.parametrize("make", [Path.touch, make_version_1], ids=["new", "old"])
def test_several_programs_may_open_a_store_at_the_same_moment(path, make):
    make(path)
    together, problems = threading.Barrier(6), []

    def open_it():
        together.wait(30)
        try:
            with Store(path) as store:
                store.sessions()
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert version(path) == VERSION
    assert len(list(path.parent.glob("*.backup*"))) == (1 if make is make_version_1 else 0)


def test_a_store_whose_making_was_cut_short_is_made(path):
    """The first thing written is one empty page that says nobody's name yet."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
    assert path.stat().st_size == 4096 and path.read_bytes()[68:72] == bytes(4)
    with Store(path) as store:
        assert store.sessions() == []
    assert version(path) == VERSION


def test_a_bare_page_of_somebody_else_is_left_alone(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA application_id=7")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="a database of another program"):
        Store(path)
    assert path.read_bytes() == before
