"""Whatever is asked for, whenever, acts when it should."""

import queue
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from driven import done, meddling, of, opened
from programs import any_edit

from ildm.core import extensions
from ildm.session import commands
from ildm.session.cursor import Cursor
from ildm.session.editing import changed, edited
from ildm.session.engine import Engine
from ildm.session.events import (
    CommandApplied,
    CommandRejected,
    StepCompleted,
)
from ildm.session.replay import replay
from ildm.session.run import Run

NAMES = extensions.names("ildm.samplers")


@pytest.mark.parametrize("name", NAMES)
def test_random_edits_act_by_the_timing_rule(name, quick, settings):
    """Ten in the middle of a step, five between two, five from a thread of their own, in a run of thirty steps or so."""
    dice = random.Random(name)
    plan = dict(zip(dice.sample(range(1, 25), 20), ["inside"] * 10 + ["between"] * 5 + ["beside"] * 5, strict=True))
    expected, sent, tokens = {}, set(), queue.SimpleQueue()
    ids = []

    def edit(late):
        session = engine.session(ids[0])
        step = session.logged.cursor.node.step
        number = engine.submit(ids[0], any_edit(dice, max(step + 1, 29)))
        expected[number] = None if late is None else (step, step + late)

    def in_a_step(_):
        step = engine.session(ids[0]).logged.cursor.node.step if ids else None
        if step in plan and step not in sent:
            sent.add(step)
            if plan[step] == "inside":
                edit(1)
            elif plan[step] == "beside":
                tokens.put(step)

    def between(event):
        if isinstance(event, StepCompleted) and plan.get(event.step) == "between":
            edit(0)

    def beside():
        while tokens.get() is not None:
            edit(None)

    with Engine(quick) as engine, meddling(quick, in_a_step):
        other = threading.Thread(target=beside)
        other.start()
        ids.append(opened(engine, changed(settings, sampler=name, num_steps=30), paused=True))
        engine.listen(ids[0], between)
        engine.submit(ids[0], commands.Resume())
        events = done(engine, ids[0])
        tokens.put(None)
        other.join()
    applied = {event.op: event for event in of(CommandApplied, events)}
    rejected = {event.op: event for event in of(CommandRejected, events)}
    assert len(expected) == 20
    for number, steps in expected.items():
        if number in rejected:  # a thread of its own may come too late
            assert "done" in rejected[number].text or "cannot end" in rejected[number].text
            continue
        event = applied[number]
        assert (
            (event.received_step, event.applied_step) == steps if steps else event.applied_step - event.received_step in (0, 1)
        )
    assert len(rejected) <= 8

    # the log is the whole truth: made again, it is the same in every state, and up to an edit the run is as without it
    again = replay(quick, events)
    assert again.exact
    for number in dice.sample(sorted(set(expected) - set(rejected)), 2):
        edits = [event for event in of(CommandApplied, events) if event.op in expected and event.seq < applied[number].seq]
        cursor = Cursor.begin(Run(quick), changed(settings, sampler=name, num_steps=30))
        without = replay_of(cursor, edits, until=applied[number].applied_step)
        assert without == [again.run.state(node).to_bytes() for node in range(applied[number].applied_step + 1)]


def replay_of(cursor, edits, until):
    """The bytes of all states of a run under edits at their steps, in the plainest way."""
    for step in range(until):
        for event in edits:
            if event.applied_step == step:
                cursor.change(edited(cursor.settings, event.command))
        cursor.step()
    return [cursor.run.state(node).to_bytes() for node in range(until + 1)]


def test_all_that_came_between_two_steps_acts_at_once_and_in_order(engine, settings):
    session_id = opened(engine, settings, paused=True)
    texts = [f"a rose {number}" for number in range(6)]
    numbers = [engine.submit(session_id, commands.SetPrompt(text=text)) for text in texts]
    engine.submit(session_id, commands.Resume())
    events = done(engine, session_id)
    applied = of(CommandApplied, events)
    assert [event.op for event in applied[:6]] == numbers
    assert {event.applied_step for event in applied} == {0}
    assert engine.session(session_id).logged.cursor.settings.prompt == texts[-1]


def test_a_number_can_be_given(engine, settings):
    session_id = opened(engine, settings, paused=True)
    assert engine.submit(session_id, commands.NameBranch(branch=0, name="a"), op=1000) == 1000
    assert engine.submit(session_id, commands.NameBranch(branch=9, name="a"), op=1001) == 1001
    events = done(engine, session_id)
    assert [event.op for event in of(CommandApplied, events)] == [1000]
    assert [(event.op, event.code) for event in of(CommandRejected, events)] == [(1001, "bad-value")]
    assert "no branch 9" in of(CommandRejected, events)[0].text


def test_numbers_that_are_drawn_are_never_drawn_twice(engine, settings):
    session_id = opened(engine, settings, paused=True)
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: engine.submit(session_id, commands.Pause()), range(200)))
    assert len(set(numbers)) == 200
    assert sorted(event.op for event in of(CommandApplied, done(engine, session_id))) == sorted(numbers)
