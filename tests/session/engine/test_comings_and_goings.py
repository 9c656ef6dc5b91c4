"""Sessions come, go, and are listened to."""

import threading

import pytest
from driven import PATIENT, at_step, done, finals, of, opened, when

from ildm.core.errors import ConfigError, MissingError, ProtocolError, StorageError
from ildm.session import commands
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import CommandApplied, RunFailed, StepCompleted
from ildm.session.run import Run
from ildm.session.store import Store


def test_of_a_session_that_is_not_there_nothing_can_be_asked(engine):
    for ask in (
        lambda: engine.submit("nobody", commands.Pause()),
        lambda: engine.listen("nobody", print),
        lambda: engine.session("nobody"),
        lambda: engine.wait("nobody", 1.0),
        lambda: engine.close_session("nobody").result(PATIENT),
    ):
        with pytest.raises(ConfigError, match="no open session 'nobody'"):
            ask()


def test_a_session_that_cannot_begin_is_not_there(engine, settings):
    for values, said in (({"sampler": "eular"}, "euler"), ({"width": 65}, "65")):
        with pytest.raises(Exception, match=said):
            opened(engine, changed(settings, **values), session_id="mine")
        with pytest.raises(ConfigError, match="no open session"):
            engine.session("mine")
    assert opened(engine, settings, session_id="mine") == "mine"
    with pytest.raises(ConfigError, match="a session 'mine' already"):
        opened(engine, settings, session_id="mine")


def test_a_session_can_be_let_go(engine, settings):
    session_id = opened(engine, settings, paused=True)
    other = opened(engine, settings)
    engine.submit(session_id, commands.SetPrompt(text="a key"))
    session = engine.session(session_id)
    engine.close_session(session_id).result(PATIENT)
    assert session.resting.wait(PATIENT)  # whoever waited for it waits no longer
    with pytest.raises(ConfigError, match="no open session"):
        engine.submit(session_id, commands.Resume())
    assert len(finals(done(engine, other))) == 1


def test_who_listens_misses_nothing_and_hears_nothing_twice(engine, settings):
    session_id = opened(engine, settings)
    heard = []
    before = engine.listen(session_id, heard.append)
    events = done(engine, session_id)
    assert before + heard == events
    assert [event.seq for event in events] == list(range(len(events)))


def test_closing_in_full_flight_ends_after_the_step(quick, settings):
    with Engine(quick) as engine:
        ids = [opened(engine, changed(settings, num_steps=1000, seed=seed)) for seed in range(3)]
        engine.submit(ids[0], commands.SetPrompt(text="a key"))
    for session_id in ids:
        session = engine.session(session_id)
        assert session.resting.is_set()
        assert [event.seq for event in session.log.events] == list(range(len(session.log.events)))
    engine.close()  # a second time does nothing
    for ask in (
        lambda: engine.open(settings).result(PATIENT),
        lambda: engine.submit(ids[0], commands.Pause()),
        lambda: engine.on_thread(list).result(PATIENT),
        lambda: engine.close_session(ids[0]).result(PATIENT),
    ):
        with pytest.raises(ConfigError, match="engine has been closed"):
            ask()


def test_a_command_that_comes_after_the_last_turn_is_refused_and_nobody_waits_for_it(quick, settings):
    """Somebody was about to send it when the session was let go."""
    with Engine(quick) as engine:
        ids = [opened(engine, settings, paused=True) for _ in range(2)]
        sessions = [engine.session(one) for one in ids]
        engine.close_session(ids[0]).result(PATIENT)
    for session in sessions:
        with pytest.raises(MissingError, match="not open any more"):
            session.receive(commands.SetPrompt(text="a key"), None, engine._conditions)
        assert session.resting.is_set()


def test_work_on_the_engines_thread_gives_back_what_it_finds(engine):
    assert engine.on_thread(lambda: threading.current_thread().name).result(PATIENT) == "ildm-engine"
    assert engine.on_thread(lambda: engine.on_thread(lambda: 3).result(0)).result(PATIENT) == 3
    with pytest.raises(ProtocolError, match="which did not come with it"):
        engine.on_thread(lambda: Run(engine.model).blobs.get("0" * 64)).result(PATIENT)


def test_whoever_gives_up_waiting_harms_nobody(quick, settings, alone):
    """A future that is cancelled before the engine comes to it, as when a browser goes away."""
    held, free = threading.Event(), threading.Event()
    with Engine(quick) as engine:
        engine.on_thread(lambda: (held.set(), free.wait(PATIENT)))
        assert held.wait(PATIENT)
        given_up = [engine.on_thread(lambda: None), engine.open(settings)]
        assert all(one.cancel() for one in given_up)
        free.set()
        assert finals(done(engine, opened(engine, settings))) == [alone(settings)]


def test_what_was_made_is_kept_when_a_session_is_let_go(quick, settings, tmp_path):
    path = tmp_path / "store.sqlite"
    with Store(path) as store, Engine(quick, keeper=store) as engine:
        session_id = opened(engine, settings, paused=True)
        # from a listener, so that it is let go right after a step and before that is handed over
        let_go = threading.Event()
        when(engine, session_id, StepCompleted, lambda _: (engine.close_session(session_id), let_go.set()), at_step(3))
        engine.submit(session_id, commands.Resume())
        assert let_go.wait(PATIENT)
    with Store(path) as store:
        assert max(node.step for node in store.load(session_id).nodes) == 3


@pytest.fixture
def slow_disk(tmp_path):
    """A store whose disk takes its time, as long as `held` is not set."""
    with Store(tmp_path / "store.sqlite") as store:
        store.held = threading.Event()
        yield store
        store.held.set()


def test_a_session_is_gone_once_all_of_it_is_on_the_disk(quick, settings, slow_disk):
    with Engine(quick, keeper=slow_disk) as engine:
        session_id = opened(engine, settings, paused=True)
        done(engine, session_id)
        slow_disk.writer.submit(lambda _: slow_disk.held.wait(PATIENT))
        said = threading.Event()
        when(engine, session_id, CommandApplied, lambda _: said.set())
        engine.submit(session_id, commands.SetPrompt(text="a blue key"))
        assert said.wait(PATIENT)
        closed = engine.close_session(session_id)
        engine.on_thread(lambda: None).result(PATIENT)
        assert not closed.done()
        for ask in (
            lambda: engine.submit(session_id, commands.SetPrompt(text="a lion")),
            lambda: engine.resume(session_id, slow_disk.load(session_id), slow_disk.events(session_id)).result(PATIENT),
        ):
            with pytest.raises(MissingError, match="not open any more"):
                ask()
        slow_disk.held.set()
        closed.result(PATIENT)
        engine.resume(session_id, slow_disk.load(session_id), slow_disk.events(session_id)).result(PATIENT)
        assert engine.session(session_id).logged.cursor.settings.prompt == "a blue key"
        engine.submit(session_id, commands.Resume())
        assert not of(RunFailed, done(engine, session_id))


def test_whoever_does_not_want_a_session_any_more_waits_for_nothing(quick, settings, slow_disk):
    with Engine(quick, keeper=slow_disk) as engine:
        session_id = opened(engine, settings, paused=True)
        slow_disk.writer.submit(lambda _: slow_disk.held.wait(PATIENT))
        engine.submit(session_id, commands.SetPrompt(text="a blue key"))
        engine.close_session(session_id, keep=False).result(PATIENT)
        assert not slow_disk.held.is_set()
        slow_disk.held.set()


def test_on_a_full_disk_a_session_stays_open(quick, settings, tmp_path, monkeypatch):
    room = [True]
    monkeypatch.setattr("ildm.session.storage.writer.has_room", lambda _: room[0])
    with Store(tmp_path / "store.sqlite") as store, Engine(quick, keeper=store) as engine:
        session_id = opened(engine, settings, paused=True)
        done(engine, session_id)
        room[0] = False
        engine.submit(session_id, commands.SetPrompt(text="a blue key"))
        for _ in range(2):
            with pytest.raises(StorageError, match=f"Session {session_id} stays open.*No room left"):
                engine.close_session(session_id).result(PATIENT)
        engine.submit(session_id, commands.SetGuidance(scale=3.0))
        room[0] = True
        events = done(engine, session_id)
        assert len(of(CommandApplied, events)) == 2
        while engine.session(session_id).saving.is_full:
            engine.on_thread(lambda: None).result(PATIENT)
        engine.close_session(session_id).result(PATIENT)
        [kept] = store.load(session_id).positions
        assert (kept.settings.prompt, kept.settings.guidance_scale) == ("a blue key", 3.0)


def test_who_has_heard_enough_hears_no_more(engine, settings):
    heard = []
    session_id = opened(engine, settings, paused=True)
    engine.listen(session_id, heard.append)
    engine.unlisten(session_id, heard.append)
    engine.submit(session_id, commands.Resume())
    done(engine, session_id)
    assert heard == []
    engine.unlisten(session_id, heard.append)
    engine.unlisten("never", heard.append)
