"""Samples of a denoiser in training, whatever its first stage."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ildm.core import extensions
from ildm.core.picture import to_bytes
from ildm.core.randomness import START_STREAM, sample_noise
from ildm.core.types import Conditioning
from ildm.denoiser.inference import prepare
from ildm.denoiser.precondition import Preconditioned
from ildm.denoiser.unet import UNet
from ildm.diffusion.schedule import make_schedule
from ildm.evaluation.images import Pixels
from ildm.sampler.base import Sampler
from ildm.sampler.run import run
from ildm.study.compression.config import Judging
from ildm.study.compression.pixels import FirstStage
from ildm.training.stage_two_config import StageTwoConfig


@dataclass(frozen=True)
class Drawn:
    """Samples, (count, 3, height, width) bytes, and how many were made in a second."""

    pixels: Pixels
    samples_per_second: float


class Artist:
    """Draws classes with one denoiser, in its weights' number format and without guidance, as the paper's study does.

    Args:
        unet: prepared for inference here: make another artist after changing its weights.
        stage: what it was trained to predict, and on which path.
        side: of the latents, cells.
    """

    def __init__(self, unet: UNet, first: FirstStage, stage: StageTwoConfig, judging: Judging, side: int) -> None:
        self._first, self._judging, self._side = first, judging, side
        self._path = stage.path
        self._device = next(unet.parameters()).device
        self._denoiser = Preconditioned(prepare(unet), stage.path, stage.prediction)
        kind: type[Sampler] = extensions.load("ildm.samplers", judging.sampler)
        self._sampler = kind()

    @torch.inference_mode()
    def draw(self, labels: Sequence[int], num_steps: int) -> Drawn:
        """One sample per label; the same seeds for every denoiser."""
        size = self._judging.batch_size
        # what only the first call pays for is not the denoiser's speed
        self._batch(labels[:size], 0, 1)
        begun = time.perf_counter()
        parts = [self._batch(labels[start : start + size], start, num_steps) for start in range(0, len(labels), size)]
        return Drawn(torch.cat(parts), len(labels) / (time.perf_counter() - begun))

    def _batch(self, labels: Sequence[int], start: int, num_steps: int) -> Pixels:
        space, side = self._first.latent_space, self._side
        seeds = [self._judging.seed + start + place for place in range(len(labels))]
        noise = sample_noise(seeds, START_STREAM, (space.channels, side, side), device=self._device)
        conditioning = Conditioning(label=torch.tensor(labels, device=self._device))
        state = self._sampler.init(noise, make_schedule(self._path, num_steps), seeds)
        state = run(self._sampler, state, lambda noised, t: self._denoiser(noised, t, conditioning))
        # on the CPU, which also waits for the device
        return to_bytes(self._first.decode(state.latent)).cpu()
