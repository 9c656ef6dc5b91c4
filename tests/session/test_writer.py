"""The writer: whatever waits is committed together, and only what cannot be written fails."""

import shutil
import sqlite3
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from ildm.core.errors import ProtocolError, StorageError
from ildm.session.storage import connections
from ildm.session.storage.connections import writing_engine
from ildm.session.storage.writer import Writer


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "numbers.sqlite"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE numbers (number INTEGER, payload BLOB)")
    database.close()
    return path


@pytest.fixture
def writer(path):
    engine = writing_engine(path)
    writer = Writer(engine, path)
    yield writer
    writer.close()
    engine.dispose()


def add(number, size=0):
    return lambda connection: connection.execute(
        text("INSERT INTO numbers VALUES (:number, zeroblob(:size))"), {"number": number, "size": size}
    )


def numbers(path):
    database = sqlite3.connect(path)
    try:
        return [number for (number,) in database.execute("SELECT number FROM numbers ORDER BY rowid")]
    finally:
        database.close()


def held(writer):
    """A task that keeps the writer busy, and how to let it go: what is sent meanwhile makes one group."""
    gate, begun = threading.Event(), threading.Event()

    def wait(connection):
        begun.set()
        assert gate.wait(30)

    future = writer.submit(wait)
    assert begun.wait(30)
    return gate, future


def test_a_result_comes_once_it_is_durable(writer, path):
    seen = []
    future = writer.submit(add(1))
    future.add_done_callback(lambda _: seen.append(numbers(path)))
    future.result()
    writer.close()
    assert seen == [[1]]
    assert (writer.commits, writer.batches) == (1, 1)


def test_what_waits_is_committed_together_and_in_order(writer, path):
    gate, _ = held(writer)
    futures = [writer.submit(add(number)) for number in range(50)]
    gate.set()
    for future in futures:
        future.result()
    assert numbers(path) == list(range(50))
    assert (writer.commits, writer.batches) == (2, 51)


def test_fifty_writers_at_once_share_commits(writer, path):
    gate, _ = held(writer)
    arrived = threading.Semaphore(0)

    def work(worker):
        for count in range(10):
            future = writer.submit(add(worker * 10 + count))
            arrived.release()
            future.result()

    with ThreadPoolExecutor(50) as pool:
        done = [pool.submit(work, worker) for worker in range(50)]
        for _ in range(50):
            assert arrived.acquire(timeout=30)
        gate.set()
        for future in done:
            future.result()
    found = numbers(path)
    assert sorted(found) == list(range(500))
    for worker in range(50):
        own = [number for number in found if number // 10 == worker]
        assert own == sorted(own)
    assert writer.batches == 501
    assert writer.commits <= 452  # the first fifty were one group, whatever the machine did afterwards


def test_only_what_cannot_be_written_fails(writer, path):
    def broken(connection):
        add(99)(connection)
        raise ProtocolError("This one is wrong.")

    gate, _ = held(writer)
    futures = [writer.submit(task) for task in (add(0), broken, add(1), add(2))]
    gate.set()
    with pytest.raises(ProtocolError, match="This one is wrong"):
        futures[1].result()
    for place in (0, 2, 3):
        futures[place].result()
    assert numbers(path) == [0, 1, 2]


def test_only_what_finds_no_room_fails(writer, path):
    writer.submit(lambda connection: connection.execute(text("PRAGMA max_page_count=16")).all()).result()
    gate, _ = held(writer)
    futures = [writer.submit(task) for task in (add(0), add(1, size=200_000), add(2))]
    gate.set()
    with pytest.raises(StorageError, match="No room left on the disk while saving"):
        futures[1].result()
    futures[0].result()
    futures[2].result()
    assert numbers(path) == [0, 2]


def test_a_fault_of_the_program_is_shown_as_it_is(writer):
    with pytest.raises(ZeroDivisionError):
        writer.submit(lambda _: 1 // 0).result()


def test_a_folder_that_vanishes_leaves_nobody_waiting(writer, path, monkeypatch):
    def vanished(_):
        raise FileNotFoundError

    monkeypatch.setattr("shutil.disk_usage", vanished)
    writer.submit(add(1)).result(30)
    assert numbers(path) == [1]


def test_a_disk_with_little_room_takes_only_what_makes_room(writer, path, monkeypatch):
    writer.submit(add(1)).result()
    usage = shutil.disk_usage(path.parent)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(total=10**12, free=10**6))
    with pytest.raises(StorageError, match="No room left on the disk while saving"):
        writer.submit(add(2)).result()
    writer.submit(lambda connection: connection.execute(text("DELETE FROM numbers")), grows=False).result()
    assert numbers(path) == []


def test_what_was_called_off_is_not_written(writer, path):
    gate, _ = held(writer)
    kept, dropped = writer.submit(add(1)), writer.submit(add(2))
    assert dropped.cancel()
    gate.set()
    kept.result()
    with pytest.raises(CancelledError):
        dropped.result()
    writer.close()
    assert numbers(path) == [1]


def test_closing_writes_what_waits(writer, path):
    gate, _ = held(writer)
    futures = [writer.submit(add(number)) for number in range(5)]
    closing = threading.Thread(target=writer.close)
    closing.start()
    gate.set()
    closing.join(30)
    assert all(future.done() for future in futures)
    assert numbers(path) == list(range(5))
    writer.close()
    with pytest.raises(StorageError, match="is closed: open it again"):
        writer.submit(add(9))


def test_another_program_that_never_ends_is_told_to_all_that_wait(path, monkeypatch):
    monkeypatch.setattr(connections, "BUSY_SECONDS", 0.01)
    engine = writing_engine(path)
    writer = Writer(engine, path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        futures = [writer.submit(add(number)) for number in range(3)]
        for future in futures:
            with pytest.raises(StorageError, match="Another program has kept the session store"):
                future.result()
        other.execute("ROLLBACK")
        writer.submit(add(7)).result()
        assert numbers(path) == [7]
    finally:
        other.close()
        writer.close()
        engine.dispose()
