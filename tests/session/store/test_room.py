"""Room: pruning, full disks and places that cannot be written."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from kept import begin, everything, fill, snapshot, step

from ildm.core.errors import ConfigError, StorageError
from ildm.session.events import RunPaused
from ildm.session.store import Store

DAY = 86400.0


def test_pruning_keeps_the_latest_and_gives_room_back(store, clock):
    for number in range(6):
        clock.now = 1.0e9 + number * DAY
        fill(store, f"s{number}", size=40_000)
    clock.now = 1.0e9 + 6 * DAY
    assert [session.id for session in store.prunable(keep=4)] == ["s1", "s0"]
    assert [session.id for session in store.prunable(older_than=timedelta(days=2.5))] == ["s3", "s2", "s1", "s0"]
    assert [session.id for session in store.prunable(keep=5, older_than=timedelta(days=2.5))] == ["s0"]
    freed = store.prune(keep=4)
    assert [session.id for session in store.sessions()] == ["s5", "s4", "s3", "s2"]
    assert freed > 2 * 5 * 40_000
    assert store.path.stat().st_size < 5 * 5 * 40_000
    with closing(sqlite3.connect(store.path)) as database:
        rows = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("snapshots", "blobs", "images")]
        assert rows == [4 * 6, 4, 4]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    store.prune(older_than=timedelta(days=2.5))
    assert [session.id for session in store.sessions()] == ["s5", "s4"]


def test_pruning_snapshots_leaves_all_that_cannot_be_computed_again(store):
    session_id = fill(store, size=40_000)
    before = everything(store, session_id)
    assert store.prune(snapshots_only=True) > 190_000
    assert everything(store, session_id) == before | {"snapshots": {}}


def test_pruning_without_saying_what_is_refused(store):
    fill(store)
    with pytest.raises(ConfigError, match="Nothing says which sessions to prune"):
        store.prune()
    with pytest.raises(ConfigError, match="0 or more, but -1 was given"):
        store.prune(keep=-1)
    with pytest.raises(ConfigError, match="0 or more, but -60 s were given"):
        store.prune(older_than=timedelta(minutes=-1))
    assert len(store.sessions()) == 1


STATE = 500_000


def fill_up(store, session_id, first):
    """Add states until the disk is full. Returns the number of the first that found no room."""
    for number in range(first, first + 500):
        try:
            store.append(session_id, **step(number, STATE)).result()
        except StorageError as error:
            assert "No room left on the disk while saving" in str(error)
            return number
    pytest.fail("the disk never became full")


def test_on_a_full_disk_nothing_is_lost_and_it_goes_on_when_there_is_room(small_disk):
    disk = small_disk(32)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(8_000_000))
    with Store(disk / "sessions.sqlite") as store:
        begin(store, "one")
        refused = fill_up(store, "one", 1)
        assert refused > 10
        # a batch behind it waits for it, even where it is small enough
        with pytest.raises(StorageError, match=rf"cannot be saved before event {refused}|No room left"):
            store.append("one", events=[RunPaused(seq=refused + 1)]).result()
        assert [event.seq for event in store.events("one")] == list(range(refused))
        assert len(store.load("one").nodes) == refused
        ballast.unlink()
        store.append("one", **step(refused, STATE)).result()
        store.append("one", events=[RunPaused(seq=refused + 1)]).result()
    with Store(disk / "sessions.sqlite") as store:
        session = store.load("one")
        assert all(session.snapshot(number) == snapshot(number, STATE) for number in range(1, refused + 1))


def test_a_disk_that_others_have_filled_is_told_as_such(small_disk):
    disk = small_disk(32)
    with Store(disk / "sessions.sqlite") as store:
        begin(store, "one")
        (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - 9_000_000))
        refused = fill_up(store, "one", 1)
        (disk / "more ballast").write_bytes(bytes(shutil.disk_usage(disk).free))
        for _ in range(2):
            with pytest.raises(StorageError, match="No room left on the disk"):
                store.append("one", **step(refused, STATE)).result()
        assert len(store.load("one").nodes) == refused
        (disk / "ballast").unlink()
        store.append("one", **step(refused, STATE)).result()


def test_pruning_makes_room_on_a_full_disk(small_disk):
    disk = small_disk(32)
    with Store(disk / "sessions.sqlite") as store:
        begin(store, "one")
        refused = fill_up(store, "one", 1)
        assert store.prune(snapshots_only=True) > 15_000_000
        store.append("one", **step(refused, STATE)).result()
        assert len(store.load("one").nodes) == refused + 1


def test_a_place_that_cannot_be_a_store_is_told(tmp_path):
    (tmp_path / "file").write_text("here first")
    for path in (tmp_path / "file" / "deep" / "sessions.sqlite", Path("/proc/nowhere/sessions.sqlite"), tmp_path):
        with pytest.raises(StorageError, match=r"cannot be written|is a folder"):
            Store(path)
