"""A disk that fills up in mid-run: the run waits and says so, and goes on when there is room."""

import threading

import pytest

from ildm.session import commands
from ildm.session.engine import Engine
from ildm.session.events import RunPaused, RunResumed, StateSaved, StepCompleted
from ildm.session.hashes import latent_hash
from ildm.session.settings import Settings
from ildm.session.store import Store


@pytest.fixture
def settings():
    return Settings(prompt="a red rose", num_steps=400, guidance_scale=1.0, sampler="euler", seed=1, width=64, height=64)


def final_hash(engine, session_id):
    logged = engine.session(session_id).logged
    return latent_hash(logged.run.state(logged.cursor.position.node).latent)


def test_a_full_disk_pauses_the_run_until_there_is_room(model, settings, small_disk):
    folder = small_disk(3)
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(2**20))
    full, resumed, events = threading.Event(), threading.Event(), []

    def hear(event):
        events.append(event)
        if isinstance(event, RunPaused):
            full.set()
        if isinstance(event, RunResumed) and full.is_set():
            resumed.set()

    with Store(folder / "sessions.sqlite") as store, Engine(model, keeper=store) as engine:
        session_id = engine.open(settings, paused=True).result()
        engine.listen(session_id, hear)
        engine.submit(session_id, commands.Resume())
        assert full.wait(60.0)
        pause = next(event for event in events if isinstance(event, RunPaused))
        assert "No room left" in pause.reason
        made = engine.on_thread(lambda: engine.session(session_id).logged.cursor.node.step).result()
        assert made < 400
        # what is said to be safe is safe, and nothing else is said to be
        said = {event.node for event in list(events) if isinstance(event, StateSaved)}
        assert said <= {node.id for node in store.load(session_id).nodes}
        assert max(said) < made
        ballast.unlink()
        assert resumed.wait(60.0)
        engine.wait(session_id, 1.0)  # it fills up again before the end: the disk is that small
        assert engine.on_thread(lambda: engine.session(session_id).logged.cursor.node.step).result() > made
        nodes = [event.node for event in events if isinstance(event, StepCompleted)]
        assert nodes == sorted(set(nodes))


def test_the_run_ends_as_it_would_have(model, settings, small_disk):
    """The same run on a disk that fills up once and on none gives the same bytes."""
    short = settings.model_copy(update={"num_steps": 60})
    with Engine(model) as engine:
        session_id = engine.open(short).result()
        assert engine.wait(session_id, 60.0)
        expected = final_hash(engine, session_id)
    folder = small_disk(8)
    ballast = folder / "ballast"
    full, resumed = threading.Event(), threading.Event()

    def hear(event):
        if isinstance(event, RunPaused):
            full.set()
        if isinstance(event, RunResumed) and full.is_set():
            resumed.set()

    with Store(folder / "sessions.sqlite") as store, Engine(model, keeper=store) as engine:
        session_id = engine.open(short, paused=True).result()
        engine.listen(session_id, hear)
        assert engine.wait(session_id, 60.0)  # its beginning is kept: it is the run that meets the full disk
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        engine.submit(session_id, commands.Resume())
        assert full.wait(60.0)
        ballast.unlink()
        assert resumed.wait(60.0) and engine.wait(session_id, 60.0)
        assert final_hash(engine, session_id) == expected
        assert {node.id for node in store.load(session_id).nodes} == set(range(61))
