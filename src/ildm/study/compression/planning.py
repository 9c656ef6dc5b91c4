"""What a budget buys: every arm is tried for a few steps, and the numbers of steps are cut, for all alike, to what fits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.core.durations import say_duration
from ildm.core.errors import ConfigError
from ildm.denoiser.unet import UNet
from ildm.evaluation.images import extract
from ildm.evaluation.network import load_lite0
from ildm.study.compression.config import LEAST_STEPS, Arm, CompressionConfig, arms, equal_compute, equal_steps
from ildm.study.compression.drawing import Artist
from ildm.study.compression.pixels import FirstStage, Pixels
from ildm.study.compression.running import ClassNetworks
from ildm.training.denoising import CaptionedLatents
from ildm.training.stage_one import StageOne
from ildm.training.stage_two import StageTwo

_TRIED = 3  # steps, of which the first also pays for what is only paid once
_RESERVE = 0.9  # of the budget is planned with, because the rest of a study goes into rendering, saving and surprises


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds that an arm takes here.

    Args:
        stage_one: for a step of the autoencoder; 0 without one.
        encoding: for an image.
        stage_two: for a step of the denoiser.
        drawing: for one step of the sampler on one sample.
        decoding: for what a sample takes besides.
    """

    stage_one: float
    encoding: float
    stage_two: float
    drawing: float
    decoding: float


def fit(config: CompressionConfig, budget: float, device: torch.device) -> CompressionConfig:
    """The study with as many steps, at most those it has, as fit into `budget` seconds on this machine.

    Raises:
        ConfigError: when measuring alone takes longer.
    """
    paces = {arm: pace(arm, config, device) for arm in arms(config)}
    looking = _looking(config, device)
    training = sum(
        one.stage_one * config.stage_one.loop.steps + one.stage_two * max(points(config, arm)) for arm, one in paces.items()
    )
    besides = sum(_besides(config, arm, one, looking) for arm, one in paces.items())
    share = (_RESERVE * budget - besides) / training
    first, second = (int(min(1.0, share) * stage.loop.steps) for stage in (config.stage_one, config.stage_two))
    if first < 1 or second < LEAST_STEPS:
        raise ConfigError(
            f"A budget of {say_duration(budget)} is too short: encoding and measuring alone take about {say_duration(besides)} here, "
            f"and {say_duration(training)} are wanted for training. Give more, or judge fewer images or factors."
        )
    return config.with_steps(first, second)


def points(config: CompressionConfig, arm: Arm) -> tuple[int, ...]:
    """All steps at which an arm is judged, rising: those of both tables."""
    return tuple(sorted({*equal_steps(config), *equal_compute(config, arm)} - {0}))


def pace(arm: Arm, config: CompressionConfig, device: torch.device) -> Pace:
    """How fast an arm is here, from a few steps on noise."""
    size, one = config.data.size, config.stage_one
    images = torch.rand(one.batch_size, 3, size, size) * 2.0 - 1.0
    first: FirstStage = Pixels.fitted([images])
    training = 0.0
    if arm.autoencoder is not None and arm.stage_one is not None:
        autoencoder = Autoencoder(arm.autoencoder).to(device)
        task = StageOne(arm.stage_one, autoencoder, lambda _: iter(()), images[:1])
        training = _seconds(lambda step: float(task.train_step(step, images)["loss"]))
        first = task.ema.shadow
    with torch.inference_mode():
        encoding = _seconds(lambda _: first.encode(images.to(device)).cpu()) / one.batch_size
    unet = UNet(arm.denoiser).to(device)
    two = config.stage_two
    latents = torch.randn(two.batch_size, arm.denoiser.in_channels, arm.side, arm.side)
    batch = CaptionedLatents(latents, ["0"] * two.batch_size)
    denoising = StageTwo(two, ClassNetworks(unet), lambda _: iter(()), lambda _: None, lambda *_: None)
    stage_two = _seconds(lambda step: float(denoising.train_step(step, batch)["loss"]))
    artist = Artist(unet, first, two, config.judging, arm.side)
    once, thrice = (1.0 / artist.draw([0] * config.judging.batch_size, steps).samples_per_second for steps in (1, 3))
    drawing = max(0.0, 0.5 * (thrice - once))
    return Pace(
        stage_one=training,
        encoding=encoding,
        stage_two=stage_two,
        drawing=drawing,
        decoding=max(0.0, once - drawing),
    )


def _besides(config: CompressionConfig, arm: Arm, pace: Pace, looking: float) -> float:
    """Seconds for all but the training of one arm."""
    judging, count = config.judging, len(points(config, arm))
    runs = [judging.num_steps] * count + [steps for steps in judging.speeds if steps != judging.num_steps]
    drawing = sum(steps * pace.drawing + pace.decoding for steps in runs)
    # reconstructions are looked at three times: as a set, and as pairs with the real images
    return config.data.length * pace.encoding + judging.num_images * (drawing + (len(runs) + 3) * looking)


def _looking(config: CompressionConfig, device: torch.device) -> float:
    """Seconds for the features of one image."""
    network, size = load_lite0(str(device)), config.data.size
    pixels = torch.zeros(16, 3, size, size, dtype=torch.uint8)
    return _seconds(lambda _: extract(network, pixels)) / len(pixels)


def _seconds(work: Callable[[int], object]) -> float:
    """Of one call, which must end with the device idle; the first one does not count."""
    work(0)
    begun = time.perf_counter()
    for step in range(1, _TRIED):
        work(step)
    return (time.perf_counter() - begun) / (_TRIED - 1)
