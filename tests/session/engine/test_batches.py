"""Commands that come together: each is read under what those before it leave, and its prompts are encoded beside the steps."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from driven import PATIENT, done, finals, of, opened, when

from ildm.session import commands
from ildm.session.conditions import Conditions
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import CommandApplied, CommandRejected
from ildm.session.inbox import Inbox
from ildm.session.log import Log, open_log
from ildm.session.mailbox import Mailbox
from ildm.session.replay import replay
from ildm.session.run import Run
from ildm.session.settings import Region
from ildm.session.wire import Mask

LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))


@pytest.fixture
def encoded(quick, monkeypatch):
    """What was encoded; texts with "slow" in them wait at the gate."""
    told, gate, condition = [], threading.Event(), quick.condition

    def slowly(prompts, size=None, adapters=()):
        told.extend(prompts)
        if any("slow" in text for text in prompts):
            assert gate.wait(PATIENT)
        return condition(prompts, size, adapters)

    monkeypatch.setattr(quick, "condition", slowly)
    yield told, gate
    gate.set()


@pytest.fixture
def engine(quick, encoded):
    with Engine(quick) as engine:
        engine.patience = 0.0
        yield engine
        encoded[1].set()


BATCHES = {
    "a region is added and changed": (
        commands.AddRegion(region=Region(id="one", prompt="a key"), mask=LEFT),
        commands.ChangeRegion(region=Region(id="one", prompt="a slow rose")),
    ),
    "a common prompt, then a region": (
        commands.SetRegionRules(common_prompt="slow gold"),
        commands.AddRegion(region=Region(id="one", prompt="a key"), mask=LEFT),
    ),
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_what_only_a_batch_says_is_encoded_beside_the_steps_too(batch, quick, engine, encoded, settings):
    _, gate = encoded
    session_id = opened(engine, changed(settings, guidance_scale=1.0), paused=True)
    other = opened(engine, settings, paused=True)
    held = threading.Event()
    engine.on_thread(lambda: held.wait(PATIENT))  # so that all of them are found at one border
    for command in batch:
        engine.submit(session_id, command)
    held.set()
    engine.submit(other, commands.Resume())
    assert len(finals(done(engine, other))) == 1  # nobody waits for what is slow
    gate.set()
    acted = of(CommandApplied, done(engine, session_id))
    assert [event.command for event in acted] == list(batch)
    engine.submit(session_id, commands.StartOver())
    events = done(engine, session_id)
    assert not of(CommandRejected, events)
    assert replay(quick, events).exact


def test_prompts_are_begun_when_they_come_whatever_waits_before_them(engine, encoded, settings):
    told, gate = encoded
    session_id = opened(engine, settings, paused=True)
    held = threading.Event()
    engine.on_thread(lambda: held.wait(PATIENT))
    for command in BATCHES["a common prompt, then a region"]:
        engine.submit(session_id, command)
    gate.set()
    engine._encoder.submit(lambda: None).result(PATIENT)
    assert "slow gold, a key" in told
    held.set()
    done(engine, session_id)


def test_who_needs_nothing_new_does_not_wait_for_a_slow_prompt_before_it(engine, encoded, settings):
    session_id = opened(engine, settings, paused=True)
    acted = threading.Event()
    when(engine, session_id, CommandApplied, lambda _: acted.set())
    slow = engine.submit(session_id, commands.SetPrompt(text="a slow rose"))
    quick = engine.submit(session_id, commands.SetGuidance(scale=5.0))
    assert acted.wait(PATIENT)
    encoded[1].set()
    assert [event.op for event in of(CommandApplied, done(engine, session_id))] == [quick, slow]


def test_a_word_is_looked_for_in_the_prompt_that_was_just_said(engine, settings):
    session_id = opened(engine, settings, paused=True)
    engine.submit(session_id, commands.StepOnce())
    done(engine, session_id)
    held = threading.Event()
    engine.on_thread(lambda: held.wait(PATIENT))
    engine.submit(session_id, commands.SetPrompt(text="a blue key"))
    engine.submit(session_id, commands.AddRegionFromWord(word="key", region=Region(id="it")))
    held.set()
    events = done(engine, session_id)
    assert not of(CommandRejected, events)


def test_what_comes_while_the_last_one_acts_is_foreseen_for_the_next(quick, settings):
    """The inbox is found to be empty just before something comes."""
    logged = open_log(Cursor.begin(Run(quick), settings), Log())
    conditions, inbox = Conditions(quick), Inbox(logged, lambda: None)

    def receive():
        with inbox.receiving(commands.SetPrompt(text="a key"), None, conditions) as one:
            inbox.put(one)

    class Emptied(Mailbox):
        def __bool__(self):
            found = super().__bool__()
            coming.start()
            coming.join(0.1)
            return found

    coming = threading.Thread(target=receive)
    inbox._mailbox = Emptied()
    with ThreadPoolExecutor(1) as beside:
        assert list(inbox.due(conditions, beside, 0.0)) == []
    coming.join()
    with inbox.receiving(commands.SetGuidance(scale=3.0), None, conditions) as one:
        assert one.foreseen.prompt == "a key"
