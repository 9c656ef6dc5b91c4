"""The engine: whatever is asked for, whenever, by however many, acts when it should and spoils nothing else."""

import io
import queue
import random
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import pytest
import torch
from PIL import Image
from programs import any_command, any_edit

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.core import extensions
from ildm.core.errors import ConfigError, ProtocolError, StorageError
from ildm.session import commands, live
from ildm.session.editing import changed, edited
from ildm.session.engine import Engine
from ildm.session.events import (
    CommandApplied,
    CommandRejected,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    StateSaved,
    StepCompleted,
)
from ildm.session.log import Log, open_log
from ildm.session.replay import replay
from ildm.session.run import Cursor, Run
from ildm.session.store import Store
from ildm.session.wire import Mask

NAMES = extensions.names("ildm.samplers")
PATIENT = 120.0  # seconds until a test that hangs fails
UPPER_LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))


@pytest.fixture
def settings(settings):
    return changed(settings, num_steps=8, sampler="euler")


@pytest.fixture
def engine(quick):
    with Engine(quick) as engine:
        yield engine


@contextmanager
def meddling(model, hook):
    """`hook(noised)` is called in every step, in the middle of it."""
    inner = model._predict

    def predict(noised, time, conditioning):
        hook(noised)
        return inner(noised, time, conditioning)

    model._predict = predict
    yield
    model._predict = inner


def opened(engine, settings, **how):
    return engine.open(settings, **how).result(PATIENT)


def done(engine, session_id):
    """The log of a session once it rests."""
    assert engine.wait(session_id, PATIENT)
    return engine.on_thread(lambda: list(engine.session(session_id).log.events)).result(PATIENT)


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def finals(events):
    return [event.latent_hash for event in of(RunFinished, events)]


@pytest.fixture(scope="module")
def alone(quick):
    """The hash of the run of some settings that nobody meddles with."""

    @cache
    def make(settings):
        logged = open_log(Cursor.begin(Run(quick), settings), Log())
        while not logged.cursor.finished:
            logged.step()
        return logged.log.events[-1].latent_hash

    return make


def when(engine, session_id, kind, act, where=lambda _: True):
    """`act(event)` on the engine's thread, right after the first event of a kind."""
    waiting = [True]

    def hear(event):
        if waiting and isinstance(event, kind) and where(event):
            waiting.clear()
            act(event)

    engine.listen(session_id, hear)


def at_step(step):
    return lambda event: event.step == step


# --- the timing rule ------------------------------------------------------------------------------------------------------------


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


# --- what must make no difference -----------------------------------------------------------------------------------------------

SCRIPT = {
    2: commands.SetPrompt(text="a blue key"),
    4: commands.LockArea(area=UPPER_LEFT),
    5: commands.SetGuidance(scale=4.0),
    6: commands.SetNumSteps(num_steps=9),
}


class Frames:
    """A previewer that keeps what it is shown."""

    def __init__(self):
        self.shown = []

    def offer(self, session_id, node, estimate):
        assert torch.isfinite(estimate).all()
        self.shown.append((session_id, node))


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


# --- what goes wrong ------------------------------------------------------------------------------------------------------------


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
        ("failed", "These 10 b"),
        ("failed", "This run c"),
    ]
    assert len(finals(events)) == 1


def png():
    file = io.BytesIO()
    Image.new("RGB", (64, 64)).save(file, "PNG")
    return file.getvalue()


# --- slow encoders --------------------------------------------------------------------------------------------------------------


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
        engine._conditions.get("a slow rose", (64, 64))

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


def test_prompts_are_encoded_once(slow, slow_engine, settings):
    slow.conditioner.asked.clear()
    ids = [opened(slow_engine, changed(settings, seed=seed)) for seed in range(3)]
    for session_id in ids:
        slow_engine.submit(session_id, commands.Rewind(step=0))
        slow_engine.submit(session_id, commands.SetPrompt(text="a key"))
        slow_engine.submit(session_id, commands.Resume())
        done(slow_engine, session_id)
    assert set(Counter(slow.conditioner.asked).values()) == {1}


def test_models_that_draw_classes_have_an_engine_too(quick):
    for unconditional in (None, 0):
        model = replace(quick, conditioner=LabelConditioner(LabelConfig(count=3, unconditional=unconditional)))
        with Engine(model) as engine:
            assert engine.patience > 0.0


# --- the flow -------------------------------------------------------------------------------------------------------------------


def test_a_session_may_be_stepped_one_by_one(engine, settings, alone):
    session_id = opened(engine, settings, paused=True)
    for step in range(1, 9):
        engine.submit(session_id, commands.StepOnce())
        events = done(engine, session_id)
        assert [event.step for event in of(StepCompleted, events)] == list(range(1, step + 1))
    assert finals(events) == [alone(settings)]
    engine.submit(session_id, commands.StepOnce())
    [rejected] = of(CommandRejected, done(engine, session_id))
    assert "All steps are done" in rejected.text


def test_a_run_that_goes_stops_after_one_more_step(engine, settings):
    session_id = opened(engine, settings, paused=True)
    when(engine, session_id, StepCompleted, lambda _: engine.submit(session_id, commands.StepOnce()), at_step(3))
    engine.submit(session_id, commands.Resume())
    assert of(StepCompleted, done(engine, session_id))[-1].step == 4


def test_pausing_stops_after_the_step_in_flight(quick, settings, alone):
    ids, sent = [], []

    def hook(_):
        if ids and not sent and engine.session(ids[0]).logged.cursor.node.step == 3:
            sent.append(engine.submit(ids[0], commands.Pause()))

    with Engine(quick) as engine, meddling(quick, hook):
        ids.append(opened(engine, settings, paused=True))
        engine.submit(ids[0], commands.Resume())
        events = done(engine, ids[0])
        assert of(StepCompleted, events)[-1].step == 4
        assert of(RunPaused, events)[-1].reason is None
        engine.submit(ids[0], commands.Pause())  # a second one does nothing
        assert len(of(RunPaused, done(engine, ids[0]))) == 1
        engine.submit(ids[0], commands.Resume())
        assert finals(done(engine, ids[0])) == [alone(settings)]


def test_a_cancelled_run_keeps_what_it_has(engine, settings, alone):
    session_id = opened(engine, settings, paused=True)
    when(engine, session_id, StepCompleted, lambda _: engine.submit(session_id, commands.Cancel()), at_step(5))
    engine.submit(session_id, commands.Resume())
    events = done(engine, session_id)
    assert len(of(RunCancelled, events)) == 1
    assert of(StepCompleted, events)[-1].step == 5
    assert engine.session(session_id).status == "cancelled"
    assert replay(engine.model, events).log.events
    engine.submit(session_id, commands.Resume())
    assert finals(done(engine, session_id)) == [alone(settings)]


def test_a_comparison_finishes_all_of_its_futures(engine, settings, alone):
    session_id = opened(engine, settings, paused=True)
    choices = tuple(commands.Choice(guidance_scale=2.0 + number) for number in range(4))
    when(
        engine,
        session_id,
        StepCompleted,
        lambda _: engine.submit(session_id, commands.Compare(choices=choices, step=2)),
        at_step(4),
    )
    engine.submit(session_id, commands.Resume())
    events = done(engine, session_id)
    ended = of(RunFinished, events)
    assert [event.branch for event in ended] == [1, 2, 3, 4]
    assert len({event.latent_hash for event in ended}) == 4
    assert ended[0].latent_hash == alone(settings)
    assert len(of(StepCompleted, events)) == 4 + 4 * 6
    assert replay(engine.model, events).exact


def test_a_comparison_goes_on_without_a_future_that_was_deleted(engine, settings):
    session_id = opened(engine, settings, paused=True)
    choices = tuple(commands.Choice(guidance_scale=2.0 + number) for number in range(3))
    when(engine, session_id, StepCompleted, lambda _: engine.submit(session_id, commands.DeleteBranch(branch=2)), at_step(3))
    engine.submit(session_id, commands.Compare(choices=choices))
    events = done(engine, session_id)
    assert [event.branch for event in of(RunFinished, events)] == [1, 3]
    assert engine.session(session_id).status == "finished"


def test_stepping_once_ends_a_branch_of_a_comparison_and_no_more(engine, settings):
    session_id = opened(engine, changed(settings, num_steps=1), paused=True)
    engine.submit(session_id, commands.Compare(choices=(commands.Choice(), commands.Choice(guidance_scale=5.0))))
    engine.submit(session_id, commands.StepOnce())
    events = done(engine, session_id)
    assert len(of(StepCompleted, events)) == 1
    engine.submit(session_id, commands.Resume())
    assert len(of(RunFinished, done(engine, session_id))) == 2


@pytest.mark.parametrize(
    "command",
    [
        commands.StartOver(seed=3),
        commands.RedoArea(area=UPPER_LEFT),
        commands.StartFromImage(image=png(), strength=0.5),
        commands.StartFromImage(image=png(), strength=0.0),
    ],
    ids=lambda command: command.kind,
)
def test_a_finished_session_makes_what_is_asked_for(command, engine, settings):
    session_id = opened(engine, settings)
    done(engine, session_id)
    engine.submit(session_id, command)
    events = done(engine, session_id)
    assert len(finals(events)) == 2
    assert engine.session(session_id).status == "finished"
    assert replay(engine.model, events).exact


def test_going_back_does_not_run_by_itself(engine, settings):
    session_id = opened(engine, settings)
    done(engine, session_id)
    for command, status in (
        (commands.Rewind(step=3), "paused"),
        (commands.Rewind(step=8), "finished"),
        (commands.OpenNode(node=0), "paused"),
        (commands.OpenBranch(branch=0), "finished"),
    ):
        engine.submit(session_id, command)
        done(engine, session_id)
        assert engine.session(session_id).status == status
    engine.submit(session_id, commands.Rewind(step=3))
    engine.submit(session_id, commands.SetPrompt(text="a blue key"))
    engine.submit(session_id, commands.Resume())
    events = done(engine, session_id)
    assert len(finals(events)) == 2
    assert replay(engine.model, events).exact


def test_going_on_through_the_past_is_shown_but_not_made(quick, settings):
    frames = Frames()
    with Engine(quick, previewer=frames) as engine:
        session_id = opened(engine, settings)
        done(engine, session_id)
        frames.shown.clear()
        engine.submit(session_id, commands.Rewind(step=5))
        engine.submit(session_id, commands.Resume())
        events = done(engine, session_id)
    assert [event.fresh for event in of(StepCompleted, events)] == [True] * 8 + [False] * 3
    assert [node for _, node in frames.shown] == [6, 7, 8]


def test_random_commands_by_several_people_end_well(quick, settings):
    """Whatever four threads ask of three sessions, the engine lives, and each log makes its run again."""
    with Engine(quick, budget=20_000) as engine:
        ids = [opened(engine, changed(settings, seed=seed, sampler=name)) for seed, name in enumerate(("unipc", "plms", "lcm"))]
        flow = (commands.Pause(), commands.Resume(), commands.StepOnce(), commands.SetPreviewRate(every=2))

        def meddle(seed):
            dice = random.Random(seed)
            for _ in range(25):
                session_id = dice.choice(ids)
                command = (
                    dice.choice(flow) if dice.random() < 0.3 else any_command(dice, engine.session(session_id).logged.cursor)
                )
                engine.submit(session_id, command)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(meddle, range(4)))
        logs = [done(engine, session_id) for session_id in ids]
    for events in logs:
        assert not of(RunFailed, events)
        answered = Counter(event.op for event in events if isinstance(event, CommandApplied | CommandRejected))
        assert set(answered.values()) == {1}
        again = replay(quick, events)
        assert all(one.latent_equal and one.image_equal for one in again.outcomes)


# --- sessions come and go -------------------------------------------------------------------------------------------------------


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


def test_work_on_the_engines_thread_gives_back_what_it_finds(engine):
    assert engine.on_thread(lambda: threading.current_thread().name).result(PATIENT) == "ildm-engine"
    assert engine.on_thread(lambda: engine.on_thread(lambda: 3).result(0)).result(PATIENT) == 3
    with pytest.raises(ProtocolError, match="which did not come with it"):
        engine.on_thread(lambda: Run(engine.model).blobs.get("0" * 64)).result(PATIENT)


# --- keeping --------------------------------------------------------------------------------------------------------------------


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
        [paused] = of(RunPaused, heard)
        assert "no room" in paused.reason
        assert len(of(StateSaved, heard)) == len(disk.snapshots) <= max(0, room - 1)
        engine.submit(session_id, commands.SetPrompt(text="a blue key"))  # can be said, and is kept later
        disk.room = 10**9
        assert going.wait(PATIENT)
        events = done(engine, session_id)
        assert len(of(RunPaused, events)) == 1
        assert len(finals(events)) == 1
    assert not unsafe
    saved = [event.node for event in of(StateSaved, heard)]
    assert saved == sorted(disk.snapshots) == list(range(9))
    assert disk.events == engine.session(session_id).log.events[: len(disk.events)]
    assert disk.status == "finished"
    assert replay(quick, disk.events).exact


def test_a_run_that_was_paused_while_the_disk_was_full_stays_so(quick, settings, alone, monkeypatch):
    monkeypatch.setattr(live, "KEEP_INTERVAL", 0.0)  # told at once, before the run is over
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
            assert engine.resume(session_id, stored, events, paused=True).result(PATIENT) == session_id
            assert engine.session(session_id).logged.run.steps_computed == 0
            for command in (commands.BranchOff(), commands.Resume()):
                engine.submit(session_id, command)
            after = done(engine, session_id)
            assert engine.session(session_id).logged.cursor.position.branch == 3
            assert engine.session(session_id).logged.run.steps_computed == 5
        assert replay(quick, after).exact
        assert store.events(session_id) == after[: len(store.events(session_id))]
