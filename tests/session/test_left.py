"""A log says by itself which settings each of its commands left in force, so that a page without a tree can tell what made each state."""

import random

import msgpack
import pytest
from programs import another, any_picture, begin, wander_on

from ildm.session import commands
from ildm.session.events import LEADS_ELSEWHERE, AnyEvent, CommandApplied
from ildm.session.files import log_hash
from ildm.session.keeping import Keeping, restore
from ildm.session.log import Log
from ildm.session.replay import replay
from ildm.session.settings import Region
from ildm.session.store import Store
from ildm.session.wire import Mask, from_json, from_msgpack, to_json, to_msgpack

LEFT = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))


def finish(logged):
    while not logged.cursor.finished:
        logged.step()


def said(logged):
    """The last command of a log."""
    return next(event for event in reversed(logged.log.events) if isinstance(event, CommandApplied))


@pytest.fixture
def finished(quick, settings):
    """A finished picture, over which something was asked for, and a branch that begins before its end."""
    logged = begin(quick, settings, num_steps=4)
    logged.step()
    logged.apply(commands.SetGuidance(scale=5.0))
    logged.step()
    logged.apply(commands.BranchOff())
    logged.apply(commands.OpenBranch(branch=0))
    finish(logged)
    logged.apply(commands.SetPrompt(text="a blue key"))
    return logged


ELSEWHERE = (
    commands.Rewind(step=1),
    commands.Rewind(step=4),
    commands.OpenNode(node=0),
    commands.OpenBranch(branch=1),
    commands.BranchOff(step=1),
    commands.Undo(),
    commands.StartOver(seed=9),
    commands.StartFromImage(image=any_picture(random.Random(1))),
    commands.RedoArea(area=LEFT),
    commands.DislikeArea(),
    commands.DislikeArea(area=LEFT),
    commands.Compare(choices=(commands.Choice(prompt="a rose"), commands.Choice(seed=3)), step=2),
)


@pytest.mark.parametrize("command", ELSEWHERE, ids=lambda command: command.kind)
def test_a_command_that_leads_elsewhere_says_what_it_left(command, finished):
    finished.apply(command)
    event = said(finished)
    assert event.left == finished.cursor.settings
    assert from_json(AnyEvent, to_json(event)) == from_msgpack(AnyEvent, to_msgpack(event)) == event


def test_so_does_a_redo_and_there_is_no_other(finished):
    finished.apply(commands.Undo())
    finished.apply(commands.Redo())
    assert said(finished).left == finished.cursor.settings
    assert {type(one) for one in ELSEWHERE} | {commands.Redo} == set(LEADS_ELSEWHERE)


def test_a_rewind_over_a_finished_picture_says_what_it_took_along(finished):
    finished.apply(commands.Rewind(step=1))
    assert (said(finished).left.prompt, said(finished).left.guidance_scale) == ("a blue key", 5.0)
    finished.apply(commands.Undo())
    assert said(finished).left.prompt == "a blue key"
    finished.apply(commands.Undo())
    assert said(finished).left.prompt == "a red rose"


@pytest.mark.parametrize(
    "command",
    [
        commands.SetPrompt(text="a key"),
        commands.AddRegion(region=Region(id="one", prompt="a red rose"), mask=LEFT),
        commands.LockArea(area=LEFT),
        commands.NameBranch(branch=0, name="mine"),
        commands.DeleteBranch(branch=1),
    ],
    ids=lambda command: command.kind,
)
def test_one_that_says_itself_what_it_changes_is_as_short_as_ever(command, finished):
    before = finished.cursor.settings
    finished.apply(command)
    assert said(finished).left is None
    assert "left" not in msgpack.unpackb(to_msgpack(said(finished)))
    if isinstance(command, commands.DeleteBranch | commands.NameBranch):
        assert finished.cursor.settings == before


@pytest.mark.parametrize("seed", range(2))
def test_it_is_always_what_is_in_force(seed, quick, settings):
    first, heard = begin(quick, settings, num_steps=4), []

    def hear(event):
        if isinstance(event, CommandApplied):
            now = first.log.cursors[event.cursor].cursor.settings
            heard.append(event.left)
            assert event.left == (now if isinstance(event.command, LEADS_ELSEWHERE) else None)

    first.log.listeners.append(hear)
    wander_on(random.Random(seed), [first, another(first, 1)], 80)
    assert hear in first.log.listeners  # one that fails hears no more
    assert any(heard)


def from_before(events):
    """A log as it was written before commands said what they left."""
    packed = [msgpack.unpackb(to_msgpack(event)) for event in events]
    return [from_msgpack(AnyEvent, msgpack.packb({name: one[name] for name in one if name != "left"})) for one in packed]


@pytest.mark.parametrize("seed", range(2))
def test_a_log_from_before_is_read_replayed_and_gone_on_with(seed, quick, settings, tmp_path):
    first = begin(quick, settings, num_steps=4)
    cursors = [first]
    wander_on(random.Random(seed), cursors, 40)
    for logged in cursors:
        finish(logged)
    old = from_before(first.log.events)
    assert any(isinstance(event, CommandApplied) and event.left for event in first.log.events)
    assert not any(isinstance(event, CommandApplied) and event.left for event in old)
    again = replay(quick, old)
    assert again.exact
    # made again, it says what it did not say
    assert [getattr(event, "left", None) for event in again.log.events] == [
        getattr(event, "left", None) for event in first.log.events
    ]
    with Store(tmp_path / "store.sqlite") as store:
        keeping = Keeping(store, "mine")
        keeping.begin(old[0]).future.result()
        first.log.events[:] = old
        keeping.keep(first, "paused").future.result()
        kept = store.events("mine")
        assert kept == old
        restored = restore(quick, store.load("mine"), kept)
    for number, logged in first.log.cursors.items():
        assert restored[number].cursor.remembered == logged.cursor.remembered
    restored[0].apply(commands.StartOver())
    assert said(restored[0]).left == restored[0].cursor.settings


def test_the_hash_of_a_log_from_before_is_what_it_was(finished):
    """Nothing that is read and written again is longer than it was."""
    old = from_before(finished.log.events)
    assert log_hash(Log(from_before(old))) == log_hash(Log(old)) != log_hash(finished.log)
    assert not any(b"left" in to_msgpack(event) for event in old)


def test_the_runs_that_the_page_is_tested_with_are_current(quick, repository, load_script):
    """`PYTHONPATH=tests/peers python tests/session/told_runs.py` writes them anew."""
    told_runs = load_script(repository / "tests" / "session" / "told_runs.py")
    assert told_runs.TARGET.read_text("utf-8") == told_runs.text(quick)
