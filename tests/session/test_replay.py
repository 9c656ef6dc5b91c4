"""The log of a session, and nothing else, makes the same run again."""

import random

import pytest
import torch
from programs import begin, wander_on
from toy import build_model

from ildm.core import extensions
from ildm.core.errors import IldmError, ProtocolError
from ildm.core.randomness import sample_noise
from ildm.session import commands
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.events import AnyEvent, CommandApplied, RunFinished, RunPaused, SessionOpened, StateSaved, StepCompleted
from ildm.session.keeping import Keeping, restore
from ildm.session.log import Log, open_log
from ildm.session.replay import replay
from ildm.session.run import Run
from ildm.session.settings import Settings
from ildm.session.store import Store
from ildm.session.wire import Mask, from_json, from_msgpack, to_json, to_msgpack

NAMES = extensions.names("ildm.samplers")


def finish(logged):
    while not logged.cursor.finished:
        logged.step()


def carried(events):
    """The log after a way over the wire."""
    return [from_msgpack(AnyEvent, to_msgpack(event)) for event in events]


def timeless(events):
    """A log without what depends on the clock."""
    still = {"at": 0.0, "seconds": 0.0}
    return [
        one.model_copy(update={name: value for name, value in still.items() if name in type(one).model_fields})
        for one in events
    ]


def wander(model, settings, seed, actions):
    """A run that is led about at random by up to three cursors. Returns its first cursor."""
    first = begin(model, settings, num_steps=6)
    cursors = [first]
    wander_on(random.Random(seed), cursors, actions)
    for logged in cursors:
        finish(logged)
    return first


@pytest.mark.parametrize("name", NAMES)
def test_the_log_alone_makes_the_same_run(name, quick, settings):
    logged = wander(quick, changed(settings, sampler=name), name, 60)
    again = replay(quick, carried(logged.log.events))
    assert again.exact
    assert again.same_model
    assert again.same_shape
    assert len(again.outcomes) == sum(isinstance(event, RunFinished) for event in logged.log.events) > 0
    was, now = logged.run.timeline, again.run.timeline
    assert (now.nodes, now.branches) == (was.nodes, was.branches)
    assert timeless(again.log.events) == timeless(logged.log.events)
    assert {number: one.cursor.position for number, one in again.cursors.items()} == {
        number: one.cursor.position for number, one in logged.log.cursors.items()
    }
    for node in list(was.nodes)[::7]:
        assert again.run.state(node).to_bytes() == logged.run.state(node).to_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_so_it_is_with_many_runs(seed, quick, settings):
    logged = wander(quick, changed(settings, sampler=NAMES[seed % len(NAMES)]), seed, 150)
    again = replay(quick, carried(logged.log.events))
    assert again.exact
    assert timeless(again.log.events) == timeless(logged.log.events)


def test_with_the_real_network_too(model, settings):
    logged = wander(model, changed(settings, sampler="dpmpp-2m-sde"), 11, 15)
    assert replay(model, carried(logged.log.events)).exact


def test_a_log_written_as_json_will_do(quick, settings):
    logged = wander(quick, settings, 5, 30)
    assert replay(quick, [from_json(AnyEvent, to_json(event)) for event in logged.log.events]).exact


def test_a_replay_can_be_replayed_and_gone_on_with(quick, settings):
    logged = wander(quick, settings, 6, 30)
    again = replay(quick, logged.log.events)
    for one in (logged, again.cursors[0]):
        one.apply(commands.StartOver(seed=3))
        finish(one)
    assert timeless(again.log.events) == timeless(logged.log.events)
    assert replay(quick, again.log.events).exact


def test_what_changes_no_state_plays_no_part(quick, settings):
    logged = begin(quick, settings, num_steps=4)
    logged.step()
    logged.log.add(
        CommandApplied, op=50, command=commands.Pause(), received_step=1, applied_step=1, node=logged.cursor.position.node
    )
    logged.log.add(RunPaused)
    logged.log.add(StateSaved, node=0)
    logged.log.add(CommandApplied, op=51, command=commands.SetPreviewRate(every=3), received_step=1, applied_step=1, node=1)
    finish(logged)
    again = replay(quick, carried(logged.log.events))
    assert again.exact
    assert len(again.log.events) == len(logged.log.events) - 4


def test_a_run_of_given_noise_needs_that_noise(quick, settings):
    run = Run(quick)
    noise = run.blobs.put_latent(sample_noise([4], 0, (4, 8, 8)))
    logged = open_log(Cursor.begin(run, changed(settings, num_steps=3, initial_noise=noise)), Log())
    finish(logged)
    assert replay(quick, logged.log.events, given=run.blobs.get).exact
    with pytest.raises(IldmError, match="did not come with it"):
        replay(quick, logged.log.events)


def test_an_unfinished_run_proves_nothing(quick, settings):
    logged = begin(quick, settings)
    logged.step()
    again = replay(quick, logged.log.events)
    assert (again.exact, again.outcomes) == (False, ())
    finish(again.cursors[0])
    finish(logged)
    assert timeless(again.log.events) == timeless(logged.log.events)


def test_progress_is_told(quick, settings):
    logged, told = begin(quick, settings, num_steps=2), []
    finish(logged)
    replay(quick, logged.log.events, progress=lambda done, of: told.append((done, of)))
    assert told == [(2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("name", ["unipc", "euler-ancestral"])
def test_kept_and_taken_up_again_and_again_it_is_the_same_run(name, quick, settings, tmp_path):
    """All that a session needs to go on lies in the store: its tree, where its cursors stand, its areas and its numbers."""
    dice = random.Random(name)
    with Store(tmp_path / "store.sqlite") as store:
        first = begin(quick, settings, sampler=name, num_steps=6)
        keeping, cursors = Keeping(store, "mine"), [first]
        keeping.begin(first.log.events[0]).future.result()
        for _ in range(4):
            wander_on(dice, cursors, 15)
            keeping.keep(cursors[0], "paused").future.result()
            before, stored, events = cursors[0], store.load("mine"), store.events("mine")
            assert events == before.log.events
            cursors = list(restore(quick, stored, events).values())
            run, places = cursors[0].run, before.log.cursors
            assert run.timeline.nodes.items() >= before.run.timeline.nodes.items()
            assert run.timeline.branches == before.run.timeline.branches
            assert {one.cursor.number: one.cursor.position for one in cursors} == {
                number: one.cursor.position for number, one in places.items()
            }
            assert {one.cursor.number: one.cursor.remembered for one in cursors} == {
                number: one.cursor.remembered for number, one in places.items()
            }
            for node in list(before.run.timeline.nodes)[::3]:
                assert run.state(node).to_bytes() == before.run.state(node).to_bytes()
            keeping = Keeping(store, "mine")
            keeping.take_over(cursors[0])
        for logged in cursors:
            finish(logged)
    again = replay(quick, carried(cursors[0].log.events))
    assert again.exact
    assert timeless(again.log.events) == timeless(cursors[0].log.events)


# --- other models, other machines -----------------------------------------------------------------------------------------------


def test_another_model_is_told_apart(model, settings):
    other = build_model()
    with torch.no_grad():
        next(other.unet.parameters()).add_(0.01)
    logged = begin(model, settings, num_steps=3)
    finish(logged)
    final = logged.run.state(logged.cursor.position.node).latent
    again = replay(other, logged.log.events, recorded=lambda _: final)
    assert not again.exact
    assert not again.same_model
    [outcome] = again.outcomes
    assert (outcome.latent_equal, outcome.image_equal) == (False, False)
    assert outcome.largest_difference == (again.run.state(outcome.node).latent - final).abs().max()
    assert outcome.largest_difference > 0.0
    same = replay(model, logged.log.events, recorded=lambda _: final)
    assert same.outcomes[0].largest_difference == 0.0


@pytest.mark.parametrize("values", [{"threads": 99}, {"device": "cuda"}, {"torch": "1.0"}, {"dtype": "bfloat16"}])
def test_another_machine_is_told_apart(values, quick, settings):
    logged = begin(quick, settings, num_steps=2)
    finish(logged)
    opened = logged.log.events[0]
    elsewhere = opened.model_copy(update={"shape": opened.shape.model_copy(update=values)})
    again = replay(quick, [elsewhere, *logged.log.events[1:]])
    assert (again.exact, again.same_shape) == (True, False)


# --- damage ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def log(quick):
    """A log with an edit, a lock, a step back, a branch and two ends."""
    settings = Settings(
        prompt="a red rose", num_steps=4, guidance_scale=2.0, sampler="euler-ancestral", seed=7, width=64, height=64
    )
    logged = begin(quick, settings)
    logged.step()
    logged.apply(commands.SetPrompt(text="a blue key"))
    logged.step()
    logged.apply(commands.LockArea(area=Mask.rectangle(8, 8, (0.0, 0.0, 0.5, 0.5))))
    finish(logged)
    logged.apply(commands.Rewind(step=1))
    logged.apply(commands.BranchOff())
    logged.apply(commands.SetGuidance(scale=5.0))
    finish(logged)
    assert replay(quick, logged.log.events).exact
    return logged.log.events


def numbered(events):
    """As somebody would do who wants to hide what is missing."""
    return [event.model_copy(update={"seq": number}) for number, event in enumerate(events)]


def test_a_log_without_its_beginning_is_refused(log, quick):
    for events in ([], log[1:], numbered(log[1:])):
        with pytest.raises(ProtocolError, match="begins with its opening"):
            replay(quick, events)


def test_a_log_with_a_hole_is_refused_wherever_it_is(log, quick):
    for place in range(1, len(log) - 1):
        with pytest.raises(ProtocolError, match=rf"Event {place} of the log is missing"):
            replay(quick, [*log[:place], *log[place + 1 :]])


def test_a_log_in_another_order_is_refused(log, quick):
    for place in range(1, len(log) - 1):
        swapped = [*log[:place], log[place + 1], log[place], *log[place + 2 :]]
        with pytest.raises(ProtocolError, match="of the log is missing"):
            replay(quick, swapped)


def test_a_hidden_hole_is_refused_or_comes_out_otherwise(log, quick):
    for place, event in enumerate(log):
        if not isinstance(event, StepCompleted | CommandApplied) or isinstance(
            getattr(event, "command", None), commands.BranchOff
        ):
            continue  # a change in the past makes a branch by itself
        try:
            again = replay(quick, numbered([*log[:place], *log[place + 1 :]]))
        except ProtocolError as error:
            assert "damaged or cut" in str(error) or "cannot happen here" in str(error)
        else:
            assert not again.exact, event


def altered(event):
    """The same event with another content."""
    match event:
        case SessionOpened(settings=settings):
            for values in ({"seed": 8}, {"prompt": "a key"}, {"num_steps": 5}, {"sampler": "euler"}, {"width": 32}):
                yield event.model_copy(update={"settings": changed(settings, **values)})
        case CommandApplied(command=commands.SetPrompt()):
            yield event.model_copy(update={"command": commands.SetPrompt(text="a key")})
        case CommandApplied(command=commands.SetGuidance()):
            yield event.model_copy(update={"command": commands.SetGuidance(scale=9.0)})
        case CommandApplied(command=commands.Rewind()):
            yield event.model_copy(update={"command": commands.Rewind(step=2)})
            yield event.model_copy(update={"command": commands.Rewind(step=9)})
        case CommandApplied(command=commands.LockArea()):
            yield event.model_copy(update={"command": commands.LockArea(area=Mask.rectangle(8, 8, (0.0, 0.0, 1.0, 0.5)))})
            yield event.model_copy(update={"node": 0})
        case CommandApplied(command=commands.BranchOff()):
            yield event.model_copy(update={"command": commands.OpenNode(node=99)})
        case StepCompleted(step=2):
            yield event.model_copy(update={"node": event.node + 1})
            yield event.model_copy(update={"cursor": 3})
        case RunFinished():
            yield event.model_copy(update={"latent_hash": "0" * 64})
            yield event.model_copy(update={"image_hash": "0" * 64})
            yield event.model_copy(update={"node": 99})


def test_an_altered_log_is_refused_or_comes_out_otherwise(log, quick):
    tried = 0
    for place, event in enumerate(log):
        for other in altered(event):
            tried += 1
            try:
                again = replay(quick, [*log[:place], other, *log[place + 1 :]])
            except ProtocolError as error:
                assert "log" in str(error)
                assert "\n" not in str(error)
            else:
                assert not again.exact, other
    assert tried > 20


def test_a_log_that_was_cut_at_its_end_is_the_run_until_then(log, quick):
    for length in (2, 5, len(log) - 3):
        again = replay(quick, log[:length])
        assert timeless(again.log.events)[:length] == timeless(log[:length])
