"""Pausing, stepping, cancelling, and runs that finish several futures."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from driven import Frames, at_step, done, finals, meddling, of, opened, png, when
from programs import any_command

from ildm.session import commands
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import (
    CommandApplied,
    CommandRejected,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
    StepCompleted,
)
from ildm.session.replay import replay
from ildm.session.wire import Mask

UPPER_LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))


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


def test_a_finished_session_makes_takes_of_other_seeds(engine, settings, alone):
    session_id = opened(engine, settings)
    done(engine, session_id)
    engine.submit(session_id, commands.Compare(choices=tuple(commands.Choice(seed=one) for one in (8, 9))))
    events = done(engine, session_id)
    ended = {event.branch: event.latent_hash for event in of(RunFinished, events)}
    assert ended == {0: alone(settings), 1: alone(changed(settings, seed=8)), 2: alone(changed(settings, seed=9))}
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


def test_whoever_goes_elsewhere_is_not_taken_to_an_old_comparison(engine, settings):
    session_id = opened(engine, settings, paused=True)
    engine.submit(session_id, commands.StepOnce())
    done(engine, session_id)
    choices = tuple(commands.Choice(guidance_scale=scale) for scale in (1.5, 2.5, 3.5))
    when(engine, session_id, StepCompleted, lambda _: engine.submit(session_id, commands.Rewind(step=1)), at_step(3))
    engine.submit(session_id, commands.Compare(choices=choices))
    done(engine, session_id)
    engine.submit(session_id, commands.Resume())
    events = done(engine, session_id)
    assert len(of(RunFinished, events)) == 1
    assert engine.session(session_id).logged.cursor.position.branch == of(RunFinished, events)[0].branch


def test_what_comes_too_late_is_refused_as_such(engine, settings):
    """Or is kept for whatever comes next; the picture stays finished."""
    session_id = opened(engine, settings)
    done(engine, session_id)
    for command in (commands.Cancel(), commands.StepOnce(), commands.Resume(), commands.SetPrompt(text="a key")):
        engine.submit(session_id, command)
    events = done(engine, session_id)
    assert [event.code for event in of(CommandRejected, events)] == ["not-now"] * 3
    assert engine.session(session_id).status == "finished"
    assert replay(engine.model, events).exact
    engine.submit(session_id, commands.RedoArea(area=Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))))
    done(engine, session_id)
    assert engine.session(session_id).logged.cursor.settings.prompt == "a key"
