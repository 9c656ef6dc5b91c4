"""What steering costs and how exactly it acts, with the shipped model or another.

    python bench/live.py --out bench/results/live.json

Every part prints its figure beside its bar. Ratios are taken turn by turn within one run. Edits go through the engine, as a
server's would; counts of network evaluations are counted, not timed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import ildm
from ildm.core import extensions
from ildm.core.picture import from_picture, to_floats
from ildm.model import Model
from ildm.session import commands
from ildm.session.defaults import settings_for
from ildm.session.engine import Engine
from ildm.session.events import CommandApplied, StepCompleted
from ildm.session.frames import FrameEncoder
from ildm.session.previews.files import find_preview
from ildm.session.session import Session
from ildm.session.store import Store
from parts import Figures, parts_parser, run_parts

PROMPTS = ("a red apple", "a cat face", "a castle", "a rocket", "a penguin", "a guitar", "a fox", "a doughnut")


LEFT = (0.0, 0.0, 0.5, 1.0)


def main() -> None:
    run_parts(
        {
            "timing rule": timing_rule,
            "previews and snapshots": previews_and_snapshots,
            "stall by an edit": stall_by_an_edit,
            "seek": seek,
            "branches": branches,
            "fairness": fairness,
            "dislike": dislike,
        },
        read_options(),
    )


def read_options() -> argparse.Namespace:
    parser = parts_parser(__doc__)
    parser.add_argument("--edits", type=int, default=200, help="default: 200")
    parser.add_argument("--turns", type=int, default=9, help="of each timing (default: 9)")
    parser.add_argument("--seeds", type=int, default=20, help="of the dislike (default: 20)")
    return parser.parse_args()


def timing_rule(model: Model, options: argparse.Namespace) -> Figures:
    """Random edits at random moments over all samplers: by how many steps and how long after receipt each acts."""
    samplers = [name for name in extensions.names("ildm.samplers") if _draws(model, name)]
    chance = random.Random(0)
    late, milliseconds, done = 0, [], 0
    with Engine(model) as engine:
        while done < options.edits:
            sampler = chance.choice(samplers)
            settings = settings_for(model, prompt=chance.choice(PROMPTS), num_steps=25, sampler=sampler, seed=done)
            session_id = engine.open(settings).result()
            heard: dict[int, float] = {}
            engine.listen(
                session_id,
                lambda event, heard=heard: (
                    heard.setdefault(event.op, time.perf_counter()) if isinstance(event, CommandApplied) else None
                ),
            )
            sent: dict[int, float] = {}
            while not engine.wait(session_id, chance.uniform(0.0, 0.08)) and done < options.edits:
                began = time.perf_counter()
                sent[engine.submit(session_id, _edit(chance, samplers))] = began
                done += 1
            engine.wait(session_id)
            events = [event for event in engine.session(session_id).log.events if isinstance(event, CommandApplied)]
            late += sum(event.applied_step - event.received_step > 1 for event in events)
            milliseconds += [1e3 * (heard[op] - began) for op, began in sent.items() if op in heard]
            engine.close_session(session_id).result()
    quantiles = statistics.quantiles(milliseconds, n=20)
    return {"edits": done, "late": late, "ms to effect, median": statistics.median(milliseconds), "p95": quantiles[-1]}


def previews_and_snapshots(model: Model, options: argparse.Namespace) -> Figures:
    """A run of 100 steps, every one kept on the disk and shown, against the same run with neither.

    A short run would not tell: much of what it costs to keep comes after its last step.
    """
    settings = settings_for(model, prompt=PROMPTS[0], num_steps=100, seed=1)
    frames = FrameEncoder(find_preview(model, options.model), lambda *_: None)
    seconds: dict[str, list[float]] = {"bare": [], "full": []}

    def time_run(name: str, engine: Engine, runs: int = 3) -> None:
        times = []
        for _ in range(runs):
            began = time.perf_counter()
            session_id = engine.open(settings).result()
            engine.wait(session_id)  # until the picture is there and its last state is safe
            times.append(time.perf_counter() - began)
            engine.close_session(session_id).result()
        seconds[name].append(statistics.median(times[1:]))

    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "sessions.sqlite") as store:
        for turn in range(options.turns):
            # one engine at a time, as in a process of its own: a second one's threads would slow the first
            for name in ("bare", "full") if turn % 2 else ("full", "bare"):
                extras: Figures = {"keeper": store, "previewer": frames} if name == "full" else {}
                with Engine(model, **extras) as engine:
                    time_run(name, engine)
    frames.close()
    share = statistics.median(full / bare for full, bare in zip(seconds["full"], seconds["bare"], strict=True)) - 1.0
    bare, full = (statistics.median(seconds[name]) for name in ("bare", "full"))
    return {"bare run, s": bare, "with both, s": full, "share": share, "bar": 0.05}


def stall_by_an_edit(model: Model, options: argparse.Namespace) -> Figures:
    """How much longer than the others the longer of two steps is: the one in flight when a prompt edit comes, and the one after it.

    The control looks at two steps of a run that nobody edits, turn by turn: what the machine does by itself lengthens those as often.
    """
    extra: dict[bool, list[float]] = {True: [], False: []}
    with Engine(model) as engine:
        for turn in range(8 * options.turns):
            for edits in (True, False) if turn % 2 else (False, True):
                extra[edits].append(_lengthening(engine, turn, edits=edits))
    with_edit, without = (statistics.quantiles(extra[edits], n=20) for edits in (True, False))
    return {
        "ms longer, median": with_edit[9],
        "p95": with_edit[18],
        "without an edit, median": without[9],
        "p95 of that": without[18],
        "longer by the edit, median": with_edit[9] - without[9],
        "p95 over p95": with_edit[18] - without[18],
        "bar": 5.0,
        "turns": len(extra[True]),
    }


def _lengthening(engine: Engine, turn: int, *, edits: bool) -> float:
    """By how many ms the longer of two steps exceeds the run's median: those at an edit after step 10, or after it without one."""
    session_id = engine.open(settings_for(engine.model, prompt=PROMPTS[0], num_steps=25, seed=turn)).result()
    moments: list[tuple[int, float]] = []
    passed = threading.Event()

    def hear(event: object) -> None:
        if isinstance(event, StepCompleted):
            moments.append((event.step, time.perf_counter()))
            if event.step >= 10:
                passed.set()

    engine.listen(session_id, hear)
    passed.wait()
    if edits:
        engine.submit(session_id, commands.SetPrompt(text=f"a lion number {turn}"))
    engine.wait(session_id)
    events = engine.session(session_id).log.events
    step = next(one for one in events if isinstance(one, CommandApplied)).applied_step if edits else 11
    engine.close_session(session_id).result()
    lengths = {after[0]: after[1] - before[1] for before, after in pairwise(moments)}
    slower = max(lengths.pop(step), lengths.pop(step + 1))
    return 1e3 * (slower - statistics.median(lengths.values()))


def seek(model: Model, options: argparse.Namespace) -> Figures:  # noqa: ARG001
    """Going to any state: from memory, and in a tree of 500 whose states mostly have to be computed again."""
    chance = random.Random(1)
    session = Session(model, PROMPTS[0], num_steps=25, seed=2)
    session.run()
    memory = []
    for _ in range(100):
        began = time.perf_counter()
        session.rewind(chance.randint(0, 25))
        _ = session.latent
        memory.append(1e3 * (time.perf_counter() - began))
    size = session.tree.snapshots.bytes / len(session.tree.snapshots)
    small = Session(model, PROMPTS[0], num_steps=25, seed=2, budget=int(130 * size)).run()
    while len(small.tree.timeline.nodes) < 500:
        small.rewind(chance.randint(0, 24)).set_prompt(chance.choice(PROMPTS)).run()
    opened = []
    for node in small.tree.timeline.nodes:
        began = time.perf_counter()
        small.open(node)
        _ = small.latent
        opened.append(time.perf_counter() - began)
    return {
        "ms from memory, largest": max(memory),
        "bar ms": 100,
        "s to open one of 500, largest": max(opened),
        "bar s": 1.0,
        "bytes of a state": size,
    }


def branches(model: Model, options: argparse.Namespace) -> Figures:  # noqa: ARG001
    """Eight futures from step 15 of 30, in full runs of network work."""
    session = Session(model, PROMPTS[0], num_steps=30, seed=3)
    for _ in range(15):
        session.step()
    session.compare(guidance_scale=[1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0])
    return {"full runs": session.tree.steps_computed / 30, "bar": 4.6}


def fairness(model: Model, options: argparse.Namespace) -> Figures:  # noqa: ARG001
    """Eight sessions that begin one after another: in the time that the last one makes 20 steps, how many the others make."""
    with Engine(model) as engine:
        ids = [
            engine.open(settings_for(model, prompt=PROMPTS[k], num_steps=60, seed=k), paused=True).result() for k in range(8)
        ]
        marks: list[list[int]] = []

        def hear(event: object) -> None:
            if isinstance(event, StepCompleted) and event.step in (5, 25):
                marks.append([engine.session(one).logged.cursor.node.step for one in ids])

        engine.listen(ids[-1], hear)
        for session_id in ids:
            engine.submit(session_id, commands.Resume())
        engine.wait(ids[-1])
    steps = [after - before for before, after in zip(*marks, strict=True)]
    mean = statistics.mean(steps)
    return {"steps of each": steps, "largest deviation": max(abs(one / mean - 1.0) for one in steps), "bar": 0.1}


def dislike(model: Model, options: argparse.Namespace) -> Figures:
    """How much more a disliked half changes than the other, by a perceptual distance: over the finished picture, where the other half
    is held to the end, and in mid-run, where it only comes back to where it stood.

    The control makes the half anew from the same noise without saying what was disliked: is the new half any nearer to the old?
    """
    from ildm.autoencoder.perceptual import perceptual_distance

    measure = perceptual_distance("squeezenet")
    finished, midway, further = [], [], []
    for seed in range(options.seeds):

        def run(seed: int = seed) -> Session:
            return Session(model, PROMPTS[seed % len(PROMPTS)], num_steps=25, seed=seed)

        before = run().run().image()
        disliked = run().run().dislike(LEFT).run().image()
        redone = run().run().redo_area(LEFT, strength=(25 - 25 // 3) / 25).run().image()
        midrun = run()
        while midrun.step_index < 16:
            midrun.step()
        inside, outside = (_distance(measure, before, disliked, half) for half in (0, 1))
        finished.append(inside / max(outside, 1e-9))
        further.append(inside / max(_distance(measure, before, redone, 0), 1e-9))
        after = midrun.dislike(LEFT).run().image()
        inside, outside = (_distance(measure, before, after, half) for half in (0, 1))
        midway.append(inside / max(outside, 1e-9))
    return {
        "over a finished picture, median": statistics.median(finished),
        "smallest": min(finished),
        "in mid-run (step 16), median": statistics.median(midway),
        "smallest in mid-run": min(midway),
        "at least 5": sum(one >= 5 for one in finished),
        "at least 5 in mid-run": sum(one >= 5 for one in midway),
        "of": options.seeds,
        "distance from the disliked against made anew without the dislike, median": statistics.median(further),
        "further": sum(one > 1 for one in further),
    }


def _distance(measure: Any, before: Any, after: Any, half: int) -> float:
    pictures = [to_floats(from_picture(one)[None]) for one in (before, after)]
    width = pictures[0].shape[-1] // 2
    first, second = (one[..., half * width : (half + 1) * width] for one in pictures)
    with torch.inference_mode():
        return float(measure(first, second).mean())


def _edit(chance: random.Random, samplers: list[str]) -> commands.Command:
    return chance.choice(
        [
            commands.SetPrompt(text=chance.choice(PROMPTS)),
            commands.SetNegativePrompt(text=chance.choice(PROMPTS)),
            commands.SetGuidance(scale=chance.uniform(1.0, 7.0)),
            commands.SetSampler(name=chance.choice(samplers)),
        ]
    )


def _draws(model: Model, sampler: str) -> bool:
    try:
        model.schedule(4, manner=model.sampler(sampler).manner)
    except ildm.core.errors.ConfigError:
        return False
    return True


if __name__ == "__main__":
    main()
