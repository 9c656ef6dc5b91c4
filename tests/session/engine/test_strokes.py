"""Regions painted, changed and found while a run goes on."""

import random
from concurrent.futures import Future

import numpy as np
from driven import PATIENT, done, meddling, of, opened

from ildm.session import commands
from ildm.session.editing import changed
from ildm.session.engine import Engine
from ildm.session.events import CommandApplied, CommandRejected, StepCompleted
from ildm.session.replay import replay
from ildm.session.settings import Region
from ildm.session.wire import Mask


def stroke(dice):
    side = dice.choice([1, 7, 20])
    patch = Mask.from_array(np.clip(np.random.default_rng(dice.randrange(99)).random((side, side)) * 2, 0.0, 1.0))
    return commands.PaintRegion(
        id=dice.choice("ab"), patch=patch, left=dice.randrange(64), top=dice.randrange(64), erase=dice.random() < 0.3
    )


def test_a_hundred_strokes_in_mid_run_act_at_the_next_step(quick, settings):
    """In four runs of thirty steps: each sent in the middle of a step acts after it, always."""
    for number, mode in enumerate(("attention", "latent") * 2):
        dice = random.Random(number)
        steps = set(dice.sample(range(2, 29), 25))
        expected, ids = {}, []

        def in_a_step(_, dice=dice, steps=steps, expected=expected, ids=ids):
            step = engine.session(ids[0]).logged.cursor.node.step if ids else None
            if step in steps:
                steps.remove(step)
                expected[engine.submit(ids[0], stroke(dice))] = (step, step + 1)

        with Engine(quick) as engine, meddling(quick, in_a_step):
            wanted = changed(settings, num_steps=30, region_mode=mode)
            ids.append(opened(engine, wanted, paused=True))
            for name, text in (("a", "a blue key"), ("b", "a rose")):
                area = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 0.5))
                engine.submit(ids[0], commands.AddRegion(region=Region(id=name, prompt=text), mask=area))
            engine.submit(ids[0], commands.Resume())
            events = done(engine, ids[0])
        applied = {event.op: (event.received_step, event.applied_step) for event in of(CommandApplied, events)}
        assert len(expected) == 25 and {op: applied[op] for op in expected} == expected
        assert not of(CommandRejected, events)
        assert replay(quick, events).exact


def test_a_word_is_found_beside_the_steps(quick, settings, monkeypatch):
    """The loop goes on while a word is looked for, and the region acts at the boundary after that; what it found is in the log."""
    found = Future()
    area = Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))
    monkeypatch.setattr("ildm.session.steering.Steering.where", lambda *_: found.result(PATIENT))
    ids = []

    def tell(event):
        if isinstance(event, StepCompleted) and event.step == 3:
            engine.submit(ids[0], commands.AddRegionFromWord(word="rose", region=Region(id="it")))
        if isinstance(event, StepCompleted) and event.step == 8:
            found.set_result(area)

    with Engine(quick) as engine:
        ids.append(opened(engine, settings, paused=True))
        engine.listen(ids[0], tell)
        engine.submit(ids[0], commands.Resume())
        events = done(engine, ids[0])
        asked = next(one for one in of(CommandApplied, events) if isinstance(one.command, commands.AddRegionFromWord))
        assert (asked.received_step == 3 and asked.applied_step >= 8) or asked.applied_step > 3
        assert asked.command.mask == area
        regions = engine.on_thread(lambda: engine.session(ids[0]).logged.cursor.settings.regions).result(PATIENT)
        assert [(one.id, one.prompt) for one in regions] == [("it", "rose")]
    assert replay(quick, events).exact


def test_a_word_that_is_not_there_is_refused_and_the_run_goes_on(quick, settings):
    with Engine(quick) as engine:
        number = opened(engine, settings, paused=True)
        for command in (commands.StepOnce(), commands.AddRegionFromWord(word="zebra", region=Region(id="it"))):
            engine.submit(number, command)
            done(engine, number)
        engine.submit(number, commands.Resume())
        events = done(engine, number)
    (refused,) = of(CommandRejected, events)
    assert "zebra" in refused.text and refused.code == "bad-value"
    assert of(StepCompleted, events)[-1].step == settings.num_steps
