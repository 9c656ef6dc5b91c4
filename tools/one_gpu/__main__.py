"""Trains the shipped model and the tasks' on one GPU, by the clock: python tools/one_gpu --tokenizer FILE --until 765 --out FOLDER

Hardly anything waits: the cores draw scenes while steps are compiled, the text model's each by a process of its own, the first stage
learns from those that are there, all data stay on the GPU, and a step is one CUDA graph. What comes out, `tools/one_gpu/assemble.py`
puts together.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clock import say
from roles import Room, Settings, compile_text, train_first, train_task, train_text
from scenes import Scenes, draw, reserve, shared
from stage_two import kinds
from telling import Captions, Tasks

from ildm.data.concepts import all_concepts
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.mentions import mentions_of
from parts import write_recipe
from recipe import CELLS, SHARES, read_tokenizer, recipe, task


def main() -> None:
    options = _options()
    options.out.mkdir(parents=True, exist_ok=True)
    tokenizer = read_tokenizer(options.tokenizer)
    begun = options.start is not None
    plan = recipe(
        options.channels,
        options.scenes,
        tokenizer.vocabulary_size,
        every_concept=options.every_concept,
        begun=begun,
        decoder=None if options.decoder is None else tuple(options.decoder),
        perceptual=options.perceptual,
        seed=options.seed,
    )
    assert isinstance(plan.data, EmojiScenesConfig)
    plans = {name: task(name, options.channels) for name in options.tasks}
    for name, its_plan in {"text": plan, **plans}.items():
        write_recipe(options.out, name, its_plan)
    dataset = EmojiScenes(plan.data)
    mentions = mentions_of(dataset, range(len(all_concepts()) + 1))
    assert mentions is not None
    captions, told = Captions(tokenizer, mentions, plan.denoiser.levels), Tasks(plans)
    size, workers = plan.data.size, options.workers
    context = multiprocessing.get_context("fork")
    things = options.things if plans else 0
    room = Room(
        scenes=reserve(options.scenes, size, CELLS, options.channels, captions.kept, workers),
        things=reserve(things, size, CELLS, options.channels, told.kept, workers),
        encoded=context.Event(),
        encoded_things=context.Event(),
        surroundings=torch.from_numpy(shared((things, options.channels, CELLS, CELLS), np.float16)),
        compiled=tuple(context.Event() for _ in kinds(plan.stage_two)[1:]) if options.compile else (),
    )
    draw(room.scenes, dataset, captions)
    say(f"{options.scenes} scenes are being drawn")
    settings = Settings(**{field.name: getattr(options, field.name) for field in fields(Settings)})
    roles: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
        "first": (train_first, (plan, settings, room)),
        "text": (train_text, (plan, settings, room, tokenizer)),
    }
    for place in range(1, 1 + len(room.compiled)):
        roles[f"kind {place}"] = (compile_text, (plan, settings, room, tokenizer, place))
    whole, begun = sum(SHARES[name] for name in plans), 0
    for name, its_plan in plans.items():
        window = (begun / whole, (begun + SHARES[name]) / whole)
        roles[name] = (train_task, (name, its_plan, settings, room, window))
        begun += SHARES[name]
    processes = {name: context.Process(target=role, args=given) for name, (role, given) in roles.items()}
    for process in processes.values():
        process.start()
    _draw_all(room.scenes, processes)
    if plans:
        its_data = next(iter(plans.values())).data
        assert isinstance(its_data, EmojiScenesConfig)
        # scenes of one thing are drawn alike, whether there may be others with more or not
        draw(room.things, EmojiScenes(replace(its_data, max_objects=4)), told)
        _draw_all(room.things, processes)
    _wait(processes)
    # what a process only compiles for another one, that one compiles itself where it failed
    failed = [name for name, process in processes.items() if process.exitcode and roles[name][0] is not compile_text]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def _draw_all(scenes: Scenes, processes: Mapping[str, BaseProcess]) -> None:
    """Until a pool is drawn; where one who draws fails, all that wait for it are stopped."""

    def has_failed() -> bool:
        return any(worker.exitcode for worker in scenes.workers)

    while not has_failed() and any(worker.is_alive() for worker in scenes.workers):
        time.sleep(0.2)
    if has_failed():
        _stop(processes)
        sys.exit("A process that drew scenes failed.")
    say(f"{scenes.count} scenes are drawn")


def _wait(processes: Mapping[str, BaseProcess]) -> None:
    """Until all have ended; when the first stage fails, nobody has anything to wait for."""
    left = dict(processes)
    while left:
        for name, process in list(left.items()):
            if process.exitcode is not None:
                say(f"{name} ended with {process.exitcode}")
                del left[name]
                if name == "first" and process.exitcode:
                    _stop(left)
        time.sleep(0.2)


def _stop(processes: Mapping[str, BaseProcess]) -> None:
    for process in processes.values():
        process.terminate()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", help="a model to go on from; its first stage is taken as it is")
    parser.add_argument(
        "--decoder", type=int, nargs="*", help="residual blocks per level of the decoder, from the image's side"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the scenes")
    parser.add_argument("--every-concept", action="store_true", help="for the text model; else those of the recipe")
    parser.add_argument("--first-until", type=float, default=215.0, help="seconds since the start")
    parser.add_argument("--second-until", type=float, default=575.0, help="seconds since the start")
    parser.add_argument("--until", type=float, default=765.0, help="seconds since the start")
    parser.add_argument("--forgiving", type=float, default=25.0, help="seconds of the decoder's last training; 0 = none")
    parser.add_argument("--perceptual", type=float, default=0.05, help="weight of that term in the decoder's last training")
    parser.add_argument("--tasks", nargs="*", choices=list(SHARES), default=list(SHARES))
    parser.add_argument("--channels", type=int, default=12, help="of the latents")
    parser.add_argument("--scenes", type=int, default=262_144)
    parser.add_argument("--things", type=int, default=98_304, help="scenes for the tasks")
    parser.add_argument("--least", type=int, default=32_768, help="scenes that are drawn before the first stage begins")
    parser.add_argument("--workers", type=int, default=13)
    parser.add_argument("--first-batch", type=int, default=64)
    parser.add_argument("--second-batch", type=int, default=512)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
