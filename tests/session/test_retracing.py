"""What can be undone and redone outlives the program: it is found again from the log."""

import random

import pytest
from driven import PATIENT, done, opened
from programs import begin, wander_on

from ildm.core.errors import ConfigError
from ildm.session import commands
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import CommandRejected
from ildm.session.keeping import Keeping, restore
from ildm.session.replay import replay
from ildm.session.session import Session
from ildm.session.settings import Region
from ildm.session.store import Store
from ildm.session.wire import Mask

LEFT, TOP = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0)), Mask.rectangle(64, 64, (0.0, 0.0, 1.0, 0.5))
BOX = (0.0, 0.0, 0.5, 0.5)


def kept_and_restored(model, first, path, *, snapshots=True):
    with Store(path) as store:
        keeping = Keeping(store, "mine")
        keeping.begin(first.log.events[0]).future.result()
        keeping.keep(first, "paused").future.result()
        if not snapshots:
            store.prune(snapshots_only=True)
        return restore(model, store.load("mine"), store.events("mine"))


@pytest.mark.parametrize("seed", range(6))
def test_every_cursor_remembers_what_it_did(seed, quick, settings, tmp_path):
    first = begin(quick, settings, num_steps=6)
    wander_on(random.Random(seed), [first], 80)
    restored = kept_and_restored(quick, first, tmp_path / "store.sqlite")
    for number, logged in first.log.cursors.items():
        assert restored[number].cursor.remembered == logged.cursor.remembered
        assert any(logged.cursor.remembered)
    assert restored[0].run.steps_computed == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6, 200))
def test_so_do_many_whatever_was_deleted_meanwhile(seed, quick, settings, tmp_path):
    """Where a branch went, some of what was changed before may be unknown; what is known is right, and the latest is."""
    first = begin(quick, settings, num_steps=6)
    wander_on(random.Random(seed), [first], 80)
    restored = kept_and_restored(quick, first, tmp_path / "store.sqlite")
    for number, logged in first.log.cursors.items():
        for known, all_of_it in zip(restored[number].cursor.remembered, logged.cursor.remembered, strict=True):
            assert known == all_of_it[len(all_of_it) - len(known) :]


def test_an_undo_in_another_engine_takes_back_what_was_done_in_the_first(quick, settings, tmp_path):
    asked = (
        commands.SetPrompt(text="a blue key"),
        commands.AddRegion(region=Region(id="one", prompt="a red rose"), mask=LEFT),
        commands.PaintRegion(id="one", patch=TOP),
        commands.LockArea(area=LEFT),
        commands.SetGuidance(scale=5.0),
        commands.Undo(),
    )
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings, paused=True)
            engine.submit(session_id, commands.StepOnce())
            done(engine, session_id)
            were = []
            for command in asked:
                were.append(engine.session(session_id).logged.cursor.settings)
                engine.submit(session_id, command)
                done(engine, session_id)
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, store.load(session_id), store.events(session_id)).result(PATIENT)
            cursor = engine.session(session_id).logged.cursor
            engine.submit(session_id, commands.Redo())
            done(engine, session_id)
            assert cursor.settings == changed(were[4], guidance_scale=5.0)
            for former in reversed(were[:5]):
                engine.submit(session_id, commands.Undo())
                done(engine, session_id)
                assert cursor.settings == former
            engine.submit(session_id, commands.Undo())
            [refused] = [event for event in done(engine, session_id) if isinstance(event, CommandRejected)]
            assert refused.text == "There is nothing to undo."
            for command in (commands.Redo(), commands.Redo(), commands.Redo(), commands.Resume()):
                engine.submit(session_id, command)
            events = done(engine, session_id)
    assert replay(quick, events).exact


def test_a_picture_brings_along_what_can_be_undone(quick, tmp_path):
    session = Session(quick, "a red rose", seed=3, num_steps=6).step()
    session.set_prompt("a blue key").step().set_guidance(5.0).set_negative_prompt("a rose")
    session.save(tmp_path / "rose.png")
    again = Session.load(tmp_path / "rose.png", quick)
    again.undo()
    assert (again.settings.negative_prompt, again.settings.guidance_scale) == ("", 5.0)
    again.undo().undo()
    assert (again.settings.prompt, again.step_index) == ("a red rose", 1)
    with pytest.raises(ConfigError, match="nothing to undo"):
        again.undo()
    assert again.redo().redo().settings == session.undo().settings
    assert replay(quick, again.run().events).exact


def test_where_a_locked_picture_was_not_kept_what_was_done_since_can_be_undone(quick, tmp_path):
    session = Session(quick, "a red rose", seed=3, num_steps=6).step()
    session.set_prompt("a blue key").lock(BOX).set_guidance(5.0).step().set_negative_prompt("a rose")
    session.save(tmp_path / "rose.png")  # it carries no states
    again = Session.load(tmp_path / "rose.png", quick).undo()
    assert (again.settings.negative_prompt, again.tree.steps_computed) == ("", 0)
    assert again.settings == session.undo().settings
    assert len(again._cursor.remembered[0]) < len(session._cursor.remembered[0])
    session.export(tmp_path / "rose.ildm")
    assert Session.load(tmp_path / "rose.ildm", quick)._cursor.remembered == session._cursor.remembered


def test_of_a_log_that_does_not_lead_to_its_tree_nothing_is_believed(quick, settings, tmp_path):
    first = begin(quick, settings, num_steps=6)
    first.step()
    first.apply(commands.SetPrompt(text="a blue key"))
    first.apply(commands.BranchOff())
    first.log.events[-1] = first.log.events[-1].model_copy(update={"node": 0})
    assert kept_and_restored(quick, first, tmp_path / "store.sqlite")[0].cursor.remembered == ([], [])
