"""What each process does.

One trains the first stage and encodes, one trains the text model while others compile further kinds of its steps, and one for each task
waits for its turn.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import torch
from clock import passed, say
from numpy.typing import NDArray
from scenes import Scenes
from stage_one import FirstStage, Pictures, encode_pool, encode_surroundings
from stage_two import Lessons, SecondStage
from telling import unneeded
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.deepening import take_weights
from ildm.autoencoder.perceptual import perceptual_distance
from ildm.checkpoint.load import load
from ildm.conditioning.hint import Hint
from ildm.conditioning.inpainting import Inpainting
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.denoiser.unet import UNet
from ildm.training.denoising import Networks
from ildm.training.recipe import Recipe
from parts import write_autoencoder
from recipe import CELLS, TOKENS


@dataclass(frozen=True)
class Room:
    """What all processes share.

    Args:
        scenes, things: the pools of the text model and of the tasks.
        encoded, encoded_things: set once a pool has its latents.
        surroundings: the latents around the holes.
        compiled: for each kind of the text model's steps after the first, set once it was compiled by a process of its own; empty where
            nothing is compiled.
    """

    scenes: Scenes
    things: Scenes
    encoded: Event
    encoded_things: Event
    surroundings: Tensor
    compiled: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What the command was told.

    Args:
        start: a model whose first stage is taken as it is, and whose denoiser and text encoder are gone on with.
        first_until, second_until, until: seconds since the start at which the first stage, the text model and the last task end.
        forgiving: seconds of the decoder's last training; 0 = it stays as it is.
        least: how many scenes are drawn before the first stage begins.
    """

    out: Path
    start: str | None
    device: str
    compile: bool
    first_batch: int
    second_batch: int
    first_until: float
    second_until: float
    until: float
    forgiving: float
    least: int

    def begin(self) -> torch.device:
        """The process's device."""
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        torch.manual_seed(0)
        return torch.device(self.device)


def train_first(plan: Recipe, settings: Settings, room: Room) -> None:
    """The autoencoder, the latents of both pools, and the forgiving decoder."""
    device, begun = settings.begin(), settings.start
    autoencoder = Autoencoder(plan.autoencoder)
    if begun is not None:
        take_weights(autoencoder, load(begun, dtype="float32").autoencoder)
    autoencoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss = plan.stage_one.loss
    # at the start: what is not installed is told before anything is trained
    perceptual = perceptual_distance(loss.backbone, loss.magnification) if settings.forgiving > 0 else None
    first = FirstStage(plan, autoencoder, batch=settings.first_batch, compiled=settings.compile, perceptual=perceptual)
    pictures = Pictures(room.scenes, device)
    if begun is None:
        first.prepare()
        pictures.wait(settings.least)
        say(f"{pictures.count} scenes are on the device")
        first.train(pictures, settings.first_until - passed())
    else:
        first.prepare_encoding()
        if settings.forgiving > 0:
            first.prepare_forgiving()
    pictures.wait(len(room.scenes.images))
    latents = encode_pool(room.scenes, pictures.images, first.encode)
    room.encoded.set()
    facts: dict[str, float] = {"scenes": len(room.scenes.images), "things": len(room.things.images)}
    facts |= {"steps": first.steps, "batch": first.batch, "psnr": first.psnr(pictures.images[:256])}
    say(f"encoded; training images are rebuilt at {facts['psnr']:.2f} dB")
    write_autoencoder(settings.out, autoencoder)
    room.things.wait(len(room.things.images))
    images = torch.from_numpy(room.things.images).to(device)
    encode_pool(room.things, images, first.encode)
    if "inpainting" in room.things.told:
        holes = torch.from_numpy(room.things.told["inpainting"])
        encode_surroundings(images, holes, first.encode, room.surroundings.numpy())
    room.encoded_things.set()
    say("the tasks' scenes are encoded")
    del images
    if settings.forgiving > 0:
        if begun is None:
            first.prepare_forgiving()
        facts["decoder_steps"] = first.forgive(pictures.images, latents, settings.forgiving)
        facts["forgiving_psnr"] = first.psnr(pictures.images[:256])
        say(f"the decoder forgives; training images are rebuilt at {facts['forgiving_psnr']:.2f} dB")
        write_autoencoder(settings.out, autoencoder)
    _write_facts(settings.out, "first", facts)


def train_text(plan: Recipe, settings: Settings, room: Room, tokenizer: Tokenizer) -> None:
    """The text model."""
    second = _text_stage(plan, settings, room.scenes, tokenizer)
    second.prepare(room.compiled)
    room.encoded.wait()
    scenes = room.scenes
    told = {name: torch.from_numpy(scenes.told[name]).to(second.device) for name in ("tokens", "named", "spoken", "areas")}
    latents, maps = (torch.from_numpy(one).to(second.device) for one in (scenes.latents, scenes.maps))
    second.take(Lessons(latents, features=torch.zeros(len(latents), 1, device=second.device), maps=maps, **told))
    second.record()
    second.train(settings.second_until - passed(), settings.out)
    _write_facts(settings.out, "text", {**second.facts(), "start": settings.start})


def compile_text(plan: Recipe, settings: Settings, room: Room, tokenizer: Tokenizer, place: int) -> None:
    """One kind of the text model's steps, for the cache that all processes share; who waits for it goes on either way."""
    os.nice(2)  # after the process that waits for it, before those that draw
    try:
        _text_stage(plan, settings, room.scenes, tokenizer).compile(place)
        say(f"kind {place} of the text model's steps is in the cache")
    finally:
        room.compiled[place - 1].set()


def _text_stage(plan: Recipe, settings: Settings, scenes: Scenes, tokenizer: Tokenizer) -> SecondStage:
    """The text model's training on random data, to be compiled on before there are any: what fails then does so at once."""
    device = settings.begin()
    assert plan.text is not None
    networks = Networks(UNet(plan.denoiser), TextConditioner(plan.text, tokenizer))
    if settings.start is not None:
        _go_on_from(settings.start, networks)
    networks.to(device)
    second = SecondStage(
        "text",
        plan,
        networks,
        tokens=TOKENS,
        cells=CELLS,
        batch=settings.second_batch,
        compiled=settings.compile,
    )
    count, told = 2 * settings.second_batch, scenes.told
    lessons = Lessons(
        latents=torch.randn(count, scenes.latents.shape[1], CELLS, CELLS, device=device).half(),
        tokens=torch.randint(3, 200, (count, *told["tokens"].shape[1:]), device=device).short(),
        named=torch.randint(2, (count, *told["named"].shape[1:]), device=device).short(),
        features=torch.zeros(count, 1, device=device),
        maps=torch.zeros(count, CELLS, CELLS, dtype=torch.int16, device=device),
        spoken=torch.randint(3, 200, (count, *told["spoken"].shape[1:]), device=device).short(),
        areas=torch.ones(count, *told["areas"].shape[1:], dtype=torch.uint8, device=device),
    )
    second.take(lessons)
    return second


def train_task(name: str, plan: Recipe, settings: Settings, room: Room, window: tuple[float, float]) -> None:
    """A task's model, within a window of the tasks' time; shares in [0, 1]."""
    os.nice(10)
    room.scenes.wait(len(room.scenes.images))  # until then the cores draw
    device, things = settings.begin(), room.things
    networks = Networks(UNet(plan.denoiser), plan.condition.conditioner(), plan.condition.make_hint()).to(device)
    tokens = things.told[name] if networks.conditioner is not None else None
    second = SecondStage(
        name,
        plan,
        networks,
        tokens=1 if tokens is None else tokens.shape[-1],
        cells=CELLS,
        batch=settings.second_batch,
        compiled=settings.compile,
    )
    some = np.arange(settings.second_batch)  # whatever lies there by now: what fails to compile does so at once
    second.take(_lessons(name, networks, room, device, some))
    second.prepare()
    room.encoded_things.wait()
    span = settings.until - settings.second_until
    begin, end = (settings.second_until + share * span for share in window)
    # all tasks' data and graphs at once might not fit the GPU
    time.sleep(max(0.0, begin - 8.0 - passed()))
    rows = np.arange(len(things.latents))
    of_one = isinstance(plan.data, EmojiScenesConfig) and plan.data.max_objects == 1
    second.take(_lessons(name, networks, room, device, rows[things.told["single"]] if of_one else rows))
    second.record()
    time.sleep(max(0.0, begin - passed()))
    second.train(end - passed(), settings.out)
    _write_facts(settings.out, name, second.facts())


def _go_on_from(name: str, networks: Networks) -> None:
    """The weights of a model, as far as they fit: another vocabulary's text encoder begins anew."""
    model = load(name, dtype="float32")
    networks.unet.load_state_dict(model.unet.state_dict())
    told, known = model.conditioner, networks.conditioner
    assert isinstance(told, TextConditioner) and isinstance(known, TextConditioner)
    if told.tokenizer.to_json() == known.tokenizer.to_json():
        known.load_state_dict(told.state_dict())


def _lessons(name: str, networks: Networks, room: Room, device: torch.device, rows: NDArray[np.int64]) -> Lessons:
    """Of some of the tasks' scenes. What tokens name is left out: layouts say it themselves."""
    things = room.things
    latents, maps = (torch.from_numpy(one[rows]).to(device) for one in (things.latents, things.maps))
    tokens = torch.zeros(len(latents), 1, 1, dtype=torch.int16, device=device)
    if networks.conditioner is not None:
        tokens = torch.from_numpy(things.told[name][rows]).to(device)
    features = torch.zeros(len(latents), 1, device=device)
    if networks.hint is not None:
        told = torch.from_numpy(things.told[name][rows])
        features = _features(networks.hint, told, room.surroundings[rows]).to(device)
    return Lessons(latents, tokens, torch.zeros_like(tokens), features, maps)


def _features(hint: Hint, told: Tensor, surroundings: Tensor) -> Tensor:
    """What a hint is made of; numbers of classes are that already."""
    if hint.reads_numbers:
        return told
    if not isinstance(hint, Inpainting):
        return torch.cat([hint.features(some, unneeded, (CELLS, CELLS)).half() for some in told.split(4096)])
    assert hint.config.form == "stable-diffusion"
    drawn = torch.nn.functional.interpolate(told.float(), size=(CELLS, CELLS))
    return torch.cat([drawn.half(), surroundings], dim=1)


def _write_facts(out: Path, name: str, facts: Mapping[str, Any]) -> None:
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    told = {**facts, "device": card, "seconds": round(passed())}
    (out / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    say(f"{name} is finished")
