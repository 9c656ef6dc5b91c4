"""Previews, pauses and other sessions make no difference."""

from collections import Counter

import pytest
from driven import PATIENT, Frames, at_step, done, finals, of, opened, when

from ildm.core import extensions
from ildm.session import commands
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import (
    RunPaused,
    StepCompleted,
)
from ildm.session.replay import replay
from ildm.session.wire import Mask

NAMES = extensions.names("ildm.samplers")
UPPER_LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))


SCRIPT = {
    2: commands.SetPrompt(text="a blue key"),
    4: commands.LockArea(area=UPPER_LEFT),
    5: commands.SetGuidance(scale=4.0),
    6: commands.SetNumSteps(num_steps=9),
}


def scripted(engine, session_id):
    """Give the script's commands at their steps, on the engine's thread, then let the session run."""
    for step, command in SCRIPT.items():
        when(engine, session_id, StepCompleted, lambda _, command=command: engine.submit(session_id, command), at_step(step))


@pytest.mark.parametrize("name", ["dpmpp-2m-sde", "unipc", "euler-ancestral"])
def test_pauses_previews_and_other_sessions_make_no_difference(name, quick, settings, alone):
    settings = changed(settings, sampler=name)
    with Engine(quick) as engine:
        session_id = opened(engine, settings, paused=True)
        scripted(engine, session_id)
        engine.submit(session_id, commands.Resume())
        plain = done(engine, session_id)
    frames = Frames()
    with Engine(quick, previewer=frames, budget=6000) as engine:
        session_id = opened(engine, settings, paused=True)
        others = [opened(engine, changed(settings, seed=seed, width=96), paused=True) for seed in range(2)]
        scripted(engine, session_id)
        for step in (1, 3, 7):
            when(engine, session_id, StepCompleted, lambda _: engine.submit(session_id, commands.Pause()), at_step(step))
        engine.listen(session_id, lambda event: isinstance(event, RunPaused) and engine.submit(session_id, commands.Resume()))
        engine.submit(session_id, commands.SetPreviewRate(every=3))
        for one in (*others, session_id):
            engine.submit(one, commands.Resume())
        busy = done(engine, session_id)
        for other in others:
            done(engine, other)
    assert len(of(RunPaused, busy)) == 3
    assert [event.step for event in of(StepCompleted, busy)] == [*range(1, 10)]
    assert finals(busy) == finals(plain) != [alone(settings)]
    assert [node for one, node in frames.shown if one == session_id] == [3, 6, 9]
    assert replay(quick, busy).exact


@pytest.mark.parametrize(("every", "shown"), [(0, [8]), (1, list(range(1, 9))), (3, [3, 6, 8])])
def test_previews_come_as_often_as_was_asked(every, shown, quick, settings):
    frames = Frames()
    with Engine(quick, previewer=frames) as engine:
        session_id = opened(engine, settings, paused=True)
        engine.submit(session_id, commands.SetPreviewRate(every=every))
        engine.submit(session_id, commands.Resume())
        done(engine, session_id)
    assert [node for _, node in frames.shown] == shown


def test_nobody_gets_more_than_a_step_ahead(quick, settings):
    order = []
    with Engine(quick) as engine:
        ids = [
            opened(engine, changed(settings, seed=seed, sampler=NAMES[seed], width=64 + 32 * (seed % 2)), paused=True)
            for seed in range(8)
        ]
        for session_id in ids:
            engine.listen(session_id, lambda event, one=session_id: isinstance(event, StepCompleted) and order.append(one))
        engine.on_thread(lambda: [engine.submit(session_id, commands.Resume()) for session_id in ids]).result(PATIENT)
        for session_id in ids:
            done(engine, session_id)
    made = Counter(dict.fromkeys(ids, 0))
    for session_id in order:
        made[session_id] += 1
        assert max(made.values()) <= min(made.values()) + 1
    assert set(made.values()) == {8}
