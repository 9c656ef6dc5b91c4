"""Several readers and writers at once."""

import threading

import pytest
from kept import begin, fill, opened, snapshot, start, step

from ildm.session.store import Store


def test_readers_do_not_wait_for_the_writer(store):
    session_id = fill(store)
    gate, begun = threading.Event(), threading.Event()

    def task(connection):
        connection.exec_driver_sql("DELETE FROM events")
        begun.set()
        assert gate.wait(30)
        raise RuntimeError("never committed")

    future = store.writer.submit(task)
    assert begun.wait(30)
    assert len(store.events(session_id)) == 8
    assert store.load(session_id).snapshot(1) == snapshot(1)
    gate.set()
    with pytest.raises(RuntimeError):
        future.result()


def test_two_programs_write_to_one_store(store):
    with Store(store.path) as other:
        begin(store, "one")
        begin(other, "two")
        for number in range(1, 6):
            waiting = [one.append(name, **step(number)) for one, name in ((store, "one"), (other, "two"))]
            for future in waiting:
                future.result()
        for one in (store, other):
            assert [len(one.events(name)) for name in ("one", "two")] == [6, 6]


def test_the_writing_of_many_sessions_at_once_is_grouped(store):
    names = [f"s{number}" for number in range(50)]
    for name in names:
        store.create(name, opened())
    futures = [store.append(name, **(step(number) if number else start())) for number in range(2) for name in names]
    for future in futures:
        future.result()
    assert store.writer.batches == 150
    assert store.writer.commits < 150
    assert [session.num_nodes for session in store.sessions()] == [2] * 50
