"""What is on its way to the disk, and what is there to go on with."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from driven import PATIENT, at_step, done, finals, of, opened, when

from ildm.core.errors import CheckpointError, ConfigError, StorageError
from ildm.session import commands, saving
from ildm.session.archive.transfer import import_session
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import (
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    StateSaved,
    StepCompleted,
)
from ildm.session.replay import replay
from ildm.session.session import Session
from ildm.session.store import Store
from ildm.session.wire import Mask

UPPER_LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))


class Disk:
    """A keeper with a disk that may be full. It refuses what does not follow on what it has, as the store does."""

    def __init__(self, room=10**9):
        self.room, self.events, self.snapshots, self.status = room, [], {}, None
        self.created, self.refused = False, 0
        self.writer = ThreadPoolExecutor(1)

    def create(self, _, opened):
        return self.writer.submit(self._create, opened)

    def append(self, _, **batch):
        return self.writer.submit(self._append, batch)

    def _create(self, opened):
        self._take(1)
        assert not self.created
        self.created, self.events = True, [opened]

    def _append(self, batch):
        self._take(len(batch["snapshots"]))
        if not self.created or (batch["events"] and batch["events"][0].seq != len(self.events)):
            self.refused += 1
            raise StorageError("That one first.")
        self.events += batch["events"]
        self.snapshots |= batch["snapshots"]
        self.status = batch["status"]

    def _take(self, size):
        if self.room < size:
            self.refused += 1
            raise StorageError("There is no room left on the disk.")
        self.room -= size


@pytest.mark.parametrize("room", [0, 1, 2, 5, 9])
def test_on_a_full_disk_a_run_waits_and_says_so(room, quick, settings):
    """Nothing that is not kept is said to be; with room again, all goes on, in order, and as if nothing had happened."""
    disk, heard, unsafe, full, going = Disk(room), [], [], threading.Event(), threading.Event()

    def hear(event):
        heard.append(event)
        if isinstance(event, StateSaved) and event.node not in disk.snapshots:
            unsafe.append(event.node)
        if isinstance(event, RunResumed) and disk.room > 100:
            going.set()
        if isinstance(event, RunPaused):
            full.set()

    with Engine(quick, keeper=disk) as engine:
        session_id = opened(engine, settings, paused=True)
        for event in engine.listen(session_id, hear):
            hear(event)
        engine.submit(session_id, commands.Resume())
        assert full.wait(PATIENT)
        assert engine.wait(session_id, PATIENT)
        assert all("no room" in paused.reason for paused in of(RunPaused, heard))
        assert len(of(StateSaved, heard)) == len(disk.snapshots) <= max(0, room - 1)
        engine.submit(session_id, commands.SetPrompt(text="a blue key"))  # can be said, and is kept later
        disk.room = 10**9
        assert going.wait(PATIENT)
        events = done(engine, session_id)
        assert len(of(RunPaused, events)) in (1, 2)  # before it was to go on, and when
        assert len(finals(events)) == 1
    assert not unsafe
    saved = [event.node for event in of(StateSaved, heard)]
    assert saved == sorted(disk.snapshots) == list(range(9))
    assert disk.events == engine.session(session_id).log.events[: len(disk.events)]
    assert disk.status == "finished"
    assert replay(quick, disk.events).exact


def test_a_run_that_is_to_go_on_while_the_disk_is_full_says_that_it_waits(quick, settings, alone):
    disk, going = Disk(1), threading.Event()
    with Engine(quick, keeper=disk) as engine:
        session_id = opened(engine, settings, paused=True)
        done(engine, session_id)
        for command in (commands.Resume(), commands.Pause(), commands.Resume()):
            engine.submit(session_id, command)
        events = done(engine, session_id)
        assert ["no room" in (one.reason or "") for one in of(RunPaused, events)] == [True, True, False, True]
        assert not of(RunResumed, events)
        when(engine, session_id, RunResumed, lambda _: going.set())
        disk.room = 10**9
        assert going.wait(PATIENT)
        assert finals(done(engine, session_id)) == [alone(settings)]


def test_a_run_that_was_paused_while_the_disk_was_full_stays_so(quick, settings, alone, monkeypatch):
    monkeypatch.setattr(saving, "KEEP_INTERVAL", 0.0)  # told at once, before the run is over
    disk, full, room = Disk(3), threading.Event(), threading.Event()

    def hear(event):
        if isinstance(event, RunPaused):
            (full if event.reason else room).set()

    with Engine(quick, keeper=disk) as engine:
        session_id = opened(engine, settings, paused=True)
        engine.listen(session_id, hear)
        engine.submit(session_id, commands.Resume())
        assert full.wait(PATIENT)
        engine.on_thread(room.clear).result(PATIENT)
        engine.submit(session_id, commands.Pause())
        done(engine, session_id)
        room.clear()
        disk.room = 10**9
        assert room.wait(PATIENT)
        assert not finals(done(engine, session_id))
        engine.submit(session_id, commands.Resume())
        assert finals(done(engine, session_id)) == [alone(settings)]
    assert sorted(disk.snapshots) == list(range(9))


def test_all_that_is_on_its_way_is_kept_before_the_engine_ends(quick, settings):
    disk, gate = Disk(), threading.Event()
    disk.writer.submit(gate.wait, PATIENT)
    with Engine(quick, keeper=disk) as engine:
        session_id = opened(engine, settings)
        over = threading.Event()
        when(engine, session_id, RunFinished, lambda _: over.set())
        assert over.wait(PATIENT) or finals(engine.session(session_id).log.events)
        assert not of(StateSaved, engine.on_thread(lambda: list(engine.session(session_id).log.events)).result(PATIENT))
        assert not engine.wait(session_id, 0.0)  # it does not rest before it is safe
        gate.set()
    assert len(disk.snapshots) == 9
    assert len(of(StateSaved, engine.session(session_id).log.events)) == 9


def test_a_keeper_that_takes_no_session_gets_none(quick, settings):
    class Shut:
        def create(self, *_):
            raise StorageError("The store is closed.")

        def append(self, *_, **__):
            raise StorageError("The store is closed.")

    with Engine(quick, keeper=Shut()) as engine:
        with pytest.raises(StorageError, match="closed"):
            opened(engine, settings, session_id="mine")
        with pytest.raises(ConfigError, match="no open session"):
            engine.session("mine")


def test_a_snapshot_that_does_not_fit_in_memory_fails_its_run_alone(quick, settings):
    class Narrow(Disk):
        def append(self, session_id, **batch):
            if session_id == "mine" and 3 in batch["snapshots"]:
                raise MemoryError
            return done_future()

        def create(self, *_):
            return done_future()

    def done_future():
        future = Future()
        future.set_result(None)
        return future

    with Engine(quick, keeper=Narrow()) as engine:
        mine = opened(engine, settings, session_id="mine")
        other = opened(engine, settings)
        assert "smaller size" in of(RunFailed, done(engine, mine))[0].text
        assert len(finals(done(engine, other))) == 1


def test_a_session_goes_on_in_another_engine_as_if_it_were_the_same(quick, settings, tmp_path):
    """Stopped at a step, after a branch was deleted: numbers, settings, areas and the random state all come back."""
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, changed(settings, sampler="euler-ancestral"), paused=True)
            for command in (commands.StepOnce(), commands.SetPrompt(text="a key"), commands.StepOnce()):
                engine.submit(session_id, command)
                done(engine, session_id)
            for command in (
                commands.LockArea(area=UPPER_LEFT),
                commands.BranchOff(step=1),
                commands.BranchOff(),
                commands.OpenBranch(branch=0),
                commands.DeleteBranch(branch=2),
                commands.StepOnce(),
            ):
                engine.submit(session_id, command)
            before = done(engine, session_id)
            status = engine.session(session_id).status
        assert status == "paused"
        stored, events = store.load(session_id), store.events(session_id)
        assert events == before[: len(events)]
        with Engine(quick, keeper=store) as engine:
            assert engine.resume(session_id, stored, events, status="paused").result(PATIENT) == session_id
            assert engine.session(session_id).logged.run.steps_computed == 0
            for command in (commands.BranchOff(), commands.Resume()):
                engine.submit(session_id, command)
            after = done(engine, session_id)
            assert engine.session(session_id).logged.cursor.position.branch == 3
            assert engine.session(session_id).logged.run.steps_computed == 5
        assert replay(quick, after).exact
        assert store.events(session_id) == after[: len(store.events(session_id))]


@pytest.mark.parametrize(
    ("asked", "status", "finals_after"),
    [((), "finished", 1), ((commands.Pause(),), "paused", 0), ((commands.Cancel(),), "cancelled", 0)],
    ids=["running", "paused", "cancelled"],
)
def test_a_session_comes_back_as_it_was_left(asked, status, finals_after, quick, settings, tmp_path, alone):
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings, paused=True)
            when(engine, session_id, StepCompleted, lambda _: [engine.submit(session_id, one) for one in asked], at_step(3))
            engine.submit(session_id, commands.Resume())
            done(engine, session_id)
        stored, events = store.load(session_id), store.events(session_id)
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, stored, events).result(PATIENT)
            events = done(engine, session_id)
            assert engine.session(session_id).status == status
            assert len(finals(events)) == finals_after
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, stored, events, status="running").result(PATIENT)
            assert finals(done(engine, session_id)) == [alone(settings)]


CHOICES = tuple(commands.Choice(guidance_scale=scale) for scale in (1.5, 2.5, 3.5))


def test_a_comparison_that_was_interrupted_goes_on_to_its_last_picture(quick, settings, tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings, paused=True)
            for _ in range(3):
                engine.submit(session_id, commands.StepOnce())
                done(engine, session_id)
            pause = lambda _: engine.submit(session_id, commands.Pause())  # noqa: E731
            when(engine, session_id, StepCompleted, pause, lambda one: (one.branch, one.step) == (2, 5))
            engine.submit(session_id, commands.Compare(choices=CHOICES))
            done(engine, session_id)
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, store.load(session_id), store.events(session_id), status="running").result(PATIENT)
            events = done(engine, session_id)
            session = engine.session(session_id)
            timeline = session.logged.run.timeline
            assert {line.id: timeline.node(line.tip).step for line in timeline.branches.values()} == {0: 3, 1: 8, 2: 8, 3: 8}
            assert session.status == "finished"
        assert replay(quick, events).exact


def test_where_its_first_picture_is_finished_the_others_are_still_made(quick, tmp_path):
    """As it comes from a script that has made one alone."""
    session = Session(quick, "a red rose", seed=7, num_steps=4).step()
    session.apply(commands.Compare(choices=CHOICES))
    session.branch("another").run()  # which is somebody else's way
    session.run()
    session.export(tmp_path / "compared.ildm")
    with Store(tmp_path / "store.sqlite") as store, Engine(quick, keeper=store) as engine:
        session_id = import_session(store, tmp_path / "compared.ildm").session_id
        engine.resume(session_id, store.load(session_id), store.events(session_id)).result(PATIENT)
        engine.submit(session_id, commands.Resume())
        assert {event.branch for event in of(RunFinished, done(engine, session_id))} == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ((), [2, 3]),
        ((commands.Pause(),), [2, 3]),
        ((commands.Cancel(),), []),
        ((commands.Rewind(step=1),), []),
        ((commands.OpenBranch(branch=0), commands.OpenBranch(branch=1)), []),
        ((commands.DeleteBranch(branch=2),), [3]),
    ],
    ids=["nothing", "pausing", "cancelling", "rewinding", "going elsewhere", "deleting one"],
)
def test_whoever_goes_elsewhere_lets_a_comparison_be(asked, left, quick, settings, tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings, paused=True)
            for _ in range(2):
                engine.submit(session_id, commands.StepOnce())
                done(engine, session_id)
            pause = [commands.Pause(), *asked, commands.Pause()]
            when(
                engine,
                session_id,
                StepCompleted,
                lambda _: [engine.submit(session_id, one) for one in pause],
                lambda one: (one.branch, one.step) == (1, 4),
            )
            engine.submit(session_id, commands.Compare(choices=CHOICES))
            done(engine, session_id)
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, store.load(session_id), store.events(session_id)).result(PATIENT)
            engine.submit(session_id, commands.Resume())
            made = {event.branch for event in of(RunFinished, done(engine, session_id))}
    assert made - {0, 1} == set(left)


def test_nobody_waits_while_a_session_is_read_and_of_its_states_only_what_is_needed_is(quick, settings, tmp_path, monkeypatch):
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings, paused=True)
            engine.submit(session_id, commands.StepOnce())
            done(engine, session_id)
            engine.submit(session_id, commands.LockArea(area=UPPER_LEFT))
            engine.submit(session_id, commands.Resume())
            done(engine, session_id)
        stored, events = store.load(session_id), store.events(session_id)
        stepped, waited, read = threading.Event(), [], []
        blob, snapshot = type(stored).blob, type(stored).snapshot
        monkeypatch.setattr(
            type(stored), "blob", lambda self, name: (waited.append(stepped.wait(PATIENT)), blob(self, name))[1]
        )
        monkeypatch.setattr(type(stored), "snapshot", lambda self, node: (read.append(node), snapshot(self, node))[1])
        with Engine(quick, keeper=store) as engine:
            other = opened(engine, settings, paused=True)
            when(engine, other, StepCompleted, lambda _: stepped.set(), at_step(2))
            coming = engine.resume(session_id, stored, events)
            engine.submit(other, commands.Resume())
            coming.result(PATIENT)
            assert waited and all(waited)
            locked = 1  # what undo leads back to names its picture
            assert set(read) <= {locked, 8}
            engine.submit(session_id, commands.Rewind(step=3))
            done(engine, session_id)
            session = engine.session(session_id)
            assert engine.on_thread(lambda: session.logged.run.state(3).step).result(PATIENT) == 3
            assert session.logged.run.steps_computed == 0
            assert set(read) <= {locked, 3, 8}


@pytest.mark.parametrize("broken", [StorageError("damaged"), b"no state"], ids=["damaged", "no state"])
def test_a_state_that_cannot_be_read_is_computed_again(broken, quick, settings, tmp_path, monkeypatch, alone):
    def snapshot(self, node):
        if node != 5:
            return read(self, node)
        if isinstance(broken, bytes):
            return broken
        raise broken

    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings)
            done(engine, session_id)
        stored, events = store.load(session_id), store.events(session_id)
        read = type(stored).snapshot
        monkeypatch.setattr(type(stored), "snapshot", snapshot)
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, stored, events).result(PATIENT)
            for command in (commands.BranchOff(step=5), commands.Resume()):
                engine.submit(session_id, command)
            assert finals(done(engine, session_id))[-1] == alone(settings)
            assert engine.session(session_id).logged.run.steps_computed == 1 + 3


def test_a_session_goes_on_with_the_model_it_was_made_with_alone(quick, settings, tmp_path, monkeypatch):
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings)
            done(engine, session_id)
        stored, events = store.load(session_id), store.events(session_id)
        another, renamed = replace(quick), replace(quick, manifest=quick.manifest.model_copy(update={"name": "other"}))
        for model, said in ((another, "another 'toy' than the one here"), (renamed, "'toy', but here is 'other'")):
            monkeypatch.setitem(model.__dict__, "hash", "0" * 64)
            with Engine(model, keeper=store) as engine:
                with pytest.raises(CheckpointError, match=f"Session {session_id} was made with {said}: open it with"):
                    engine.resume(session_id, stored, events).result(PATIENT)
                with pytest.raises(ConfigError, match="no open session"):
                    engine.session(session_id)
