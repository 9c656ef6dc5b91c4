"""Whatever goes wrong, other sessions go on."""

import pytest
from driven import done, finals, meddling, of, opened, png

from ildm.session import commands
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import (
    CommandRejected,
    RunFailed,
    StepCompleted,
)
from ildm.session.replay import replay


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "choose a smaller size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 20 GiB"), "choose a smaller size"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "choose a smaller size"),
        (RuntimeError("the roof is on fire"), "cannot go on (the roof is on fire)"),
        (ZeroDivisionError(), "cannot go on (ZeroDivisionError)"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else "",
)
def test_only_the_run_that_failed_fails(error, said, quick, settings, alone):
    """It keeps what it has, and goes on where it was once it can."""
    wide, broken = changed(settings, width=96), [True]

    def hook(noised):
        if broken and noised.shape[-1] == 12 and engine.session(ids[0]).logged.cursor.node.step == 3:
            raise error

    with Engine(quick) as engine, meddling(quick, hook):
        ids = [opened(engine, one, paused=True) for one in (wide, settings, changed(settings, seed=9))]
        for session_id in ids:
            engine.submit(session_id, commands.Resume())
        failed, *others = (done(engine, session_id) for session_id in ids)
        [failure] = of(RunFailed, failed)
        assert said in failure.text
        assert [event.step for event in of(StepCompleted, failed)] == [1, 2, 3]
        assert [len(finals(one)) for one in others] == [1, 1]
        broken.clear()
        engine.submit(ids[0], commands.Resume())
        again = done(engine, ids[0])
    assert finals(again) == [alone(wide)]
    assert finals(others[0]) == [alone(settings)]
    assert replay(quick, again).exact


def test_a_picture_that_does_not_fit_fails_its_run_alone(quick, settings, monkeypatch):
    def decode(latents):
        if latents.shape[-1] == 12:
            raise MemoryError
        return inner(latents)

    inner = quick.decode
    monkeypatch.setattr(quick, "decode", decode)
    with Engine(quick) as engine:
        ids = [opened(engine, changed(settings, width=width)) for width in (96, 64)]
        failed, fine = (done(engine, session_id) for session_id in ids)
        assert "smaller size" in of(RunFailed, failed)[0].text
        assert len(finals(fine)) == 1


def test_whoever_listens_or_looks_badly_harms_nobody(quick, settings, caplog, alone):
    class Blind:
        def offer(self, *_):
            raise OSError("no screen")

    def deaf(event):
        raise ValueError("no ear")

    with Engine(quick, previewer=Blind()) as engine:
        heard, session_id = [], opened(engine, settings, paused=True)
        engine.listen(session_id, deaf)
        engine.listen(session_id, heard.append)
        engine.submit(session_id, commands.Resume())
        events = done(engine, session_id)
    assert finals(events) == [alone(settings)]
    assert heard == events[1:]
    assert sum("A listener of a session failed" in record.message for record in caplog.records) == 1
    assert not of(RunFailed, events)


def test_a_command_that_breaks_is_told_and_the_engine_lives(quick, settings, monkeypatch):
    def encode(images):
        raise ZeroDivisionError

    monkeypatch.setattr(quick, "encode", encode)
    with Engine(quick) as engine:
        session_id = opened(engine, settings, paused=True)
        engine.submit(session_id, commands.StartFromImage(image=b"no picture"))
        engine.submit(session_id, commands.StartFromImage(image=png()))
        engine.submit(session_id, commands.Resume())
        events = done(engine, session_id)
    assert [(event.code, event.text[:10]) for event in of(CommandRejected, events)] == [
        ("bad-value", "These 10 b"),
        ("failed", "This run c"),
    ]
    assert len(finals(events)) == 1
