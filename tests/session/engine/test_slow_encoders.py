"""Prompts whose encoding takes its time stall nothing."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from driven import PATIENT, at_step, done, finals, meddling, of, opened, when

from ildm.conditioning.composition import Words
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.core.errors import ConfigError
from ildm.session import commands
from ildm.session.conditions import Conditions
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import (
    CommandApplied,
    CommandRejected,
    StepCompleted,
)
from ildm.session.region_commands import Placed
from ildm.session.replay import replay
from ildm.session.settings import Region
from ildm.session.wire import Mask


class Slow(Conditioner):
    """A text encoder that takes its time over every prompt with "slow" in it, and fails over "broken"."""

    kind = "slow"
    Config = object

    def __init__(self, inner):
        super().__init__()
        self.inner, self.gate, self.asked = inner, threading.Event(), []

    def forward(self, prompts, size=None):
        self.asked += prompts
        if any("slow" in text for text in prompts):
            assert self.gate.wait(PATIENT)
        if any("broken" in text for text in prompts):
            raise ConfigError("This prompt is broken.")
        return self.inner(prompts, size)

    @classmethod
    def restore(cls, config, folder):
        raise NotImplementedError

    def write_files(self, folder):
        raise NotImplementedError


@pytest.fixture
def slow(quick):
    model = replace(quick, conditioner=Slow(quick.conditioner))
    model._predict = quick._predict
    yield model
    model.conditioner.gate.set()


@pytest.fixture
def slow_engine(slow):
    with Engine(slow) as engine:
        engine.patience = 0.0
        yield engine
        slow.conditioner.gate.set()


@pytest.mark.parametrize("kind", [commands.SetPrompt, commands.SetNegativePrompt])
def test_a_slow_prompt_stalls_nothing_and_acts_once_it_is_ready(kind, slow, slow_engine, settings):
    engine, command = slow_engine, kind(text="a slow rose")
    session_id = opened(engine, settings, paused=True)

    def encode(_):
        slow.conditioner.gate.set()
        engine._conditions.get(Words("a slow rose"), (64, 64))

    when(engine, session_id, StepCompleted, lambda _: engine.submit(session_id, command), at_step(2))
    when(engine, session_id, StepCompleted, encode, at_step(6))
    engine.submit(session_id, commands.Resume())
    events = done(engine, session_id)
    [applied] = [event for event in of(CommandApplied, events) if event.command == command]
    assert (applied.received_step, applied.applied_step, applied.node) == (2, 6, 6)
    assert replay(slow, events).exact


def test_a_prompt_that_was_overtaken_does_not_act(slow, slow_engine, settings):
    """Of several that wait, the last to be ready wins over those before it, and over no later one."""
    engine = slow_engine
    session_id = opened(engine, settings, paused=True)
    told = threading.Event()
    when(engine, session_id, CommandRejected, lambda _: told.set())
    first = engine.submit(session_id, commands.SetPrompt(text="a slow rose"))
    other = engine.submit(session_id, commands.SetNegativePrompt(text="a slow key"))
    second = engine.submit(session_id, commands.SetPrompt(text="a red rose"))
    assert told.wait(PATIENT)
    slow.conditioner.gate.set()
    events = done(engine, session_id)
    assert [(event.op, event.code) for event in of(CommandRejected, events)] == [(first, "superseded")]
    assert [event.op for event in of(CommandApplied, events)] == [second, other]


def test_a_session_that_rests_hears_of_its_prompt(slow, slow_engine, settings):
    """Nothing else happens in the engine that would wake it."""
    session_id = opened(slow_engine, settings, paused=True)
    turned = threading.Event()
    when(slow_engine, session_id, CommandApplied, lambda _: turned.set())
    slow_engine.submit(session_id, commands.SetPrompt(text="a slow rose"))
    slow_engine.submit(session_id, commands.NameNode(node=0, name="here"))
    assert turned.wait(PATIENT)
    assert not slow_engine.wait(session_id, 0.0)  # it is not done: a command waits
    slow.conditioner.gate.set()
    assert len(of(CommandApplied, done(slow_engine, session_id))) == 2


@pytest.mark.parametrize(
    "command",
    [
        commands.Compare(choices=(commands.Choice(prompt="a slow rose"), commands.Choice(prompt="a key"))),
        commands.SetPrompt(text="a slow rose"),
    ],
    ids=lambda command: command.kind,
)
def test_other_sessions_run_to_their_end_meanwhile(command, slow, slow_engine, settings):
    waiting, other = (opened(slow_engine, settings, paused=True) for _ in range(2))
    slow_engine.submit(waiting, command)
    slow_engine.submit(other, commands.Resume())
    assert len(finals(done(slow_engine, other))) == 1
    assert not of(CommandApplied, slow_engine.on_thread(lambda: list(slow_engine.session(waiting).log.events)).result(PATIENT))
    slow.conditioner.gate.set()
    assert of(CommandApplied, done(slow_engine, waiting))


def test_a_session_that_is_opened_with_a_slow_prompt_stalls_no_other(slow, slow_engine, settings):
    other = opened(slow_engine, settings, paused=True)
    coming = slow_engine.open(changed(settings, prompt="a slow rose"))
    slow_engine.submit(other, commands.Resume())
    assert len(finals(done(slow_engine, other))) == 1
    assert not coming.done()
    slow.conditioner.gate.set()
    assert len(finals(done(slow_engine, coming.result(PATIENT)))) == 1


def test_a_new_size_is_encoded_beside_the_loop_too(slow, slow_engine, settings):
    slow.conditioner.gate.set()
    session_id = opened(slow_engine, changed(settings, prompt="a slow rose"), paused=True)
    other = opened(slow_engine, settings, paused=True)
    slow.conditioner.gate.clear()
    slow_engine.submit(session_id, commands.StartOver(width=96))
    slow_engine.submit(other, commands.Resume())
    assert len(finals(done(slow_engine, other))) == 1
    slow.conditioner.gate.set()
    assert len(finals(done(slow_engine, session_id))) == 1


def test_a_prompt_that_cannot_be_encoded_is_refused_and_not_tried_twice(slow, slow_engine, settings):
    session_id = opened(slow_engine, settings, paused=True)
    slow_engine.submit(session_id, commands.SetPrompt(text="a slow and broken rose"))
    slow.conditioner.gate.set()
    slow_engine.submit(session_id, commands.Resume())
    events = done(slow_engine, session_id)
    [rejected] = of(CommandRejected, events)
    assert (rejected.code, rejected.text) == ("bad-value", "This prompt is broken.")
    assert slow.conditioner.asked.count("a slow and broken rose") == 1
    with pytest.raises(ConfigError, match="broken"):
        slow_engine.open(changed(settings, prompt="broken")).result(PATIENT)
    # what went wrong once may go right later
    slow_engine.submit(session_id, commands.StartOver())
    assert len(finals(done(slow_engine, session_id))) == 2


def test_a_prompt_is_encoded_while_the_step_in_flight_is_made(slow, slow_engine, settings):
    """The engine is held in the middle of a step until the encoder has been asked: it must not be the next border that asks."""
    asked = threading.Event()

    def hook(_):
        if slow_engine.session(session_id).logged.cursor.node.step == 3 and not asked.is_set():
            slow_engine.submit(session_id, commands.SetPrompt(text="a key"))
            slow_engine._encoder.submit(lambda: asked.set() if "a key" in slow.conditioner.asked else None).result(PATIENT)

    with meddling(slow, hook):
        session_id = opened(slow_engine, settings, paused=True)
        slow_engine.submit(session_id, commands.Resume())
        done(slow_engine, session_id)
    assert asked.is_set()


def test_prompts_are_encoded_once(slow, slow_engine, settings):
    slow.conditioner.asked.clear()
    ids = [opened(slow_engine, changed(settings, seed=seed)) for seed in range(3)]
    for session_id in ids:
        slow_engine.submit(session_id, commands.Rewind(step=0))
        slow_engine.submit(session_id, commands.SetPrompt(text="a key"))
        slow_engine.submit(session_id, commands.Resume())
        done(slow_engine, session_id)
    assert set(Counter(slow.conditioner.asked).values()) == {1}


def test_nobody_waits_for_an_encoder_that_has_gone(quick):
    with ThreadPoolExecutor(1) as executor:
        conditions = Conditions(quick, executor)
    for _ in range(2):
        with pytest.raises(ConfigError, match="engine has been closed"):
            conditions.prepare(Words("a key"), (64, 64)).result(PATIENT)


def test_models_that_draw_classes_have_an_engine_too(quick):
    for unconditional in (None, 0):
        model = replace(quick, conditioner=LabelConditioner(LabelConfig(count=3, unconditional=unconditional)))
        with Engine(model) as engine:
            assert engine.patience > 0.0


def test_what_is_asked_of_regions_keeps_its_order_behind_a_slow_one(slow, slow_engine, settings):
    """Painting, removing and undoing mean something else before a region is there; other edits do not wait for it."""
    engine, area = slow_engine, Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))
    session_id = opened(engine, settings, paused=True)

    def region(name, text):
        return commands.AddRegion(region=Region(id=name, prompt=text), mask=area)

    asked = [
        region("a", "a slow rose"),
        commands.PaintRegion(id="a", patch=area, left=32),
        region("b", "a key"),
        commands.SetGuidance(scale=3.0),
        commands.Undo(),
        commands.SetRegionRules(common_prompt="in slow gold"),
        commands.SetRegionRules(common_prompt=""),
    ]
    stronger = threading.Event()

    def hear(event):
        if isinstance(event, CommandApplied) and isinstance(event.command, commands.SetGuidance):
            stronger.set()

    engine.listen(session_id, hear)
    numbers = [engine.submit(session_id, one) for one in asked]
    # it waits for no region, and what is undone later is the last change there was
    assert stronger.wait(PATIENT)
    slow.conditioner.gate.set()
    events = done(engine, session_id)
    assert not of(CommandRejected, events)
    order = [event.op for event in of(CommandApplied, events)]
    assert [op for op in order if op != numbers[3]] == [*numbers[:3], *numbers[4:]]
    made = engine.on_thread(lambda: engine.session(session_id).logged.cursor.settings).result(PATIENT)
    assert [one.id for one in made.regions] == ["a"] and made.common_prompt == ""


@pytest.mark.parametrize(
    "command",
    [
        commands.Undo(),
        commands.BranchOff(),
        commands.Compare(choices=(commands.Choice(guidance_scale=1.5), commands.Choice(guidance_scale=3.0))),
        commands.StartOver(seed=9),
        commands.RedoArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))),
        commands.DislikeArea(),
    ],
    ids=lambda command: command.kind,
)
def test_what_is_made_of_what_is_asked_waits_for_a_slow_prompt(command, slow, slow_engine, settings):
    """And what comes behind it waits too, but for what says when steps are made; what the prompt does not concern acts at once."""
    engine = slow_engine
    session_id = opened(engine, settings, paused=True)
    for _ in range(4):
        engine.submit(session_id, commands.StepOnce())
        done(engine, session_id)
    named = threading.Event()
    when(engine, session_id, CommandApplied, lambda _: named.set(), lambda event: event.command.kind == "name-node")
    before = engine.submit(session_id, commands.SetGuidance(scale=3.0))
    asked = [commands.SetPrompt(text="a slow key"), command, commands.SetPrompt(text="a lion"), commands.Pause()]
    numbers = [engine.submit(session_id, one) for one in asked]
    free = engine.submit(session_id, commands.NameNode(node=0, name="here"))
    assert named.wait(PATIENT)
    slow.conditioner.gate.set()
    events = done(engine, session_id)
    assert not of(CommandRejected, events)
    order = [event.op for event in of(CommandApplied, events) if event.op >= before]
    assert {before, free} <= set(order[: order.index(numbers[0])])
    assert [op for op in order if op in numbers[:3]] == numbers[:3]
    assert replay(slow, events).exact or not finals(events)


@pytest.mark.parametrize(
    ("command", "status"), [(commands.Cancel(), "cancelled"), (commands.Pause(), "paused"), (commands.Resume(), "finished")]
)
def test_what_stops_a_new_start_behind_a_slow_prompt_stops_it(command, status, slow, slow_engine, settings):
    """It acts behind the start, which would go on by itself."""
    session_id = opened(slow_engine, settings)
    done(slow_engine, session_id)
    asked = [commands.SetPrompt(text="a slow key"), commands.StartOver(seed=9), command]
    numbers = [slow_engine.submit(session_id, one) for one in asked]
    slow_engine.on_thread(lambda: None).result(PATIENT)
    slow.conditioner.gate.set()
    events = done(slow_engine, session_id)
    assert not of(CommandRejected, events)
    assert [event.op for event in of(CommandApplied, events)] == numbers
    assert slow_engine.session(session_id).status == status


def test_an_old_place_is_gone_to_before_a_slow_prompt_acts_there(slow, slow_engine, settings):
    session_id = opened(slow_engine, settings, paused=True)
    for _ in range(4):
        slow_engine.submit(session_id, commands.StepOnce())
        done(slow_engine, session_id)
    went = threading.Event()
    when(slow_engine, session_id, CommandApplied, lambda _: went.set(), lambda event: event.command.kind == "rewind")
    slow_engine.submit(session_id, commands.SetPrompt(text="a slow key"))
    slow_engine.submit(session_id, commands.Rewind(step=1))
    assert went.wait(PATIENT)
    slow.conditioner.gate.set()
    done(slow_engine, session_id)
    cursor = slow_engine.session(session_id).logged.cursor
    assert (cursor.node.step, cursor.settings.prompt) == (1, "a slow key")


def test_a_run_without_edits_encodes_nothing_anew(slow, slow_engine, settings):
    """However many regions it has, and however many sessions share the encoder."""
    engine, area = slow_engine, Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))
    ids = [opened(engine, settings, paused=True) for _ in range(2)]
    for number, session_id in enumerate(ids):
        placed = tuple(Placed(region=Region(id=f"r{n}", prompt=f"thing {number} {n} AND fog"), mask=area) for n in range(40))
        engine.submit(session_id, commands.ReplaceRegions(regions=placed))
        done(engine, session_id)
    before = len(slow.conditioner.asked)
    for session_id in ids:
        for _ in range(3):
            engine.submit(session_id, commands.StepOnce())
            done(engine, session_id)
    assert len(slow.conditioner.asked) == before
