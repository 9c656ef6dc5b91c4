"""What was painted over is not kept for ever, and yet every way back to it is exact."""

import random

import numpy as np
import pytest
import torch
from driven import PATIENT, done, opened
from programs import another, begin, wander_on

from ildm.session import blobs, commands
from ildm.session.cursor import Cursor
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import CommandRejected
from ildm.session.keeping import Keeping, restore
from ildm.session.log import Log, open_log
from ildm.session.replay import replay
from ildm.session.run import Run
from ildm.session.settings import Region
from ildm.session.store import Store
from ildm.session.wire import Mask

STROKES = 30
UNNEEDED = b"what a command put here that was refused then"


def stroke(number):
    return Mask.from_array(np.random.default_rng(number).integers(0, 256, (24, 24), np.uint8))


def paint(number):
    return commands.PaintRegion(id="one", patch=stroke(number), left=number % 40, top=number)


@pytest.fixture
def painted(quick, settings):
    """A region, and many strokes at one step."""
    logged = begin(quick, settings, num_steps=6)
    logged.step()
    logged.apply(commands.AddRegion(region=Region(id="one", prompt="a blue key")))
    for number in range(STROKES):
        logged.apply(paint(number))
    return logged


def test_in_memory_masks_stay_as_long_as_an_undo_leads_to_them(painted, monkeypatch):
    monkeypatch.setattr("ildm.session.cursor.MOST_REMEMBERED", 10)
    monkeypatch.setattr(blobs, "ROOM", 0)
    painted.run.blobs.keep_only(painted.named)
    assert len(painted.run.blobs.names()) == 1
    for number in range(STROKES, 3 * STROKES):
        painted.apply(paint(number))
        assert painted.run.blobs.bytes == sum(len(painted.run.blobs.get(name)) for name in painted.run.blobs.names())
    assert len(painted.run.blobs.names()) <= 2 * 11
    for _ in range(10):
        painted.apply(commands.Undo())
        assert painted.run.blobs.mask(painted.cursor.settings.regions[0].mask)
    assert replay(painted.run.model, painted.log.events).cursors[0].cursor.position == painted.cursor.position


@pytest.mark.parametrize("seed", range(4))
def test_however_often_it_is_tidied_a_run_is_the_same(seed, quick, settings, monkeypatch):
    def wander():
        first = begin(quick, settings, num_steps=6)
        first.run.blobs.put(UNNEEDED)
        wander_on(random.Random(seed), [first], 120)
        return first

    untidy = wander()
    monkeypatch.setattr(blobs, "ROOM", -1)
    monkeypatch.setattr(blobs.Blobs, "have_grown", True)
    tidy = wander()
    assert [(one.kind, one.seq) for one in tidy.log.events] == [(one.kind, one.seq) for one in untidy.log.events]
    assert (tidy.run.timeline.nodes, tidy.cursor.remembered) == (untidy.run.timeline.nodes, untidy.cursor.remembered)
    assert set(tidy.run.blobs.names()) <= set(untidy.run.blobs.names())
    assert UNNEEDED in map(untidy.run.blobs.get, untidy.run.blobs.names())
    assert UNNEEDED not in map(tidy.run.blobs.get, tidy.run.blobs.names())
    assert not tidy.run.blobs.missing(tidy.named)
    assert replay(quick, tidy.log.events).run.timeline.nodes == untidy.run.timeline.nodes


def test_on_the_disk_there_are_the_masks_of_states_alone(quick, settings, tmp_path):
    with Store(tmp_path / "store.sqlite") as store:
        with Engine(quick, keeper=store) as engine:
            session_id = opened(engine, settings, paused=True)
            engine.submit(session_id, commands.AddRegion(region=Region(id="one", prompt="a blue key")))
            for number in range(STROKES):
                engine.submit(session_id, paint(number))
                done(engine, session_id)
            cursor = engine.session(session_id).logged.cursor
            assert store.load(session_id).blob_ids == {cursor.settings.regions[0].mask}
            engine.submit(session_id, commands.StepOnce())
            done(engine, session_id)
            made_with = cursor.settings.regions[0].mask
            for command in (paint(99), commands.Undo(), paint(100)):
                engine.submit(session_id, command)
                done(engine, session_id)
            assert store.load(session_id).blob_ids == {made_with, cursor.settings.regions[0].mask}
        with Engine(quick, keeper=store) as engine:
            engine.resume(session_id, store.load(session_id), store.events(session_id)).result(PATIENT)
            for _ in range(STROKES):
                engine.submit(session_id, commands.Undo())
                done(engine, session_id)
            engine.submit(session_id, commands.Resume())
            events = done(engine, session_id)
            named = engine.session(session_id).logged.named
        assert not [event for event in events if isinstance(event, CommandRejected)]
        assert store.load(session_id).blob_ids == named
    assert replay(quick, events).exact


def test_noise_that_a_run_was_given_stays_though_its_branch_goes(quick, settings, tmp_path):
    run = Run(quick)
    noise = run.blobs.put_latent(torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)))
    logged = open_log(Cursor.begin(run, changed(settings, num_steps=3, initial_noise=noise)), Log())
    with Store(tmp_path / "store.sqlite") as store:
        keeping = Keeping(store, "mine")
        keeping.begin(logged.log.events[0]).future.result()
        logged.apply(commands.StartOver(seed=3))
        logged.apply(commands.DeleteBranch(branch=0))
        while not logged.cursor.finished:
            logged.step()
        keeping.keep(logged, "finished").future.result()
        stored, events = store.load("mine"), store.events("mine")
        assert stored.blob_ids == {noise}
        assert restore(quick, stored, events)[0].run.blobs.names() == [noise]
        assert replay(quick, events, given=stored.blob).exact


def test_each_of_several_cursors_keeps_what_it_needs(painted):
    other = another(painted, 1)
    other.apply(paint(200))
    mine = other.cursor.settings.regions[0].mask
    painted.apply(commands.RemoveRegion(id="one"))
    painted.run.blobs.keep_only(painted.named)
    assert painted.run.blobs.mask(mine)
