"""Stage one by the clock: the autoencoder, every scene's latent, and a decoder that forgives what a denoiser leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from clock import by_the_clock, recorded, release, say
from optimizer import Optimizer
from scenes import Scenes
from stages import StageOneLoss
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.perceptual import PerceptualDistance
from ildm.training.equivariance import shrunk, turned
from ildm.training.recipe import Recipe

_FORGET = (100, 200, 500, 1000)  # steps at which the averages begin anew
_LOOK = 50  # steps between two looks for scenes that were drawn meanwhile
_CHUNK = 4096  # scenes that are brought to the device at once
_ENCODED = 1024  # images that are encoded at once
FORGIVEN = 0.4  # noise on latents, in their deviations
_GENTLY = 0.5  # of the rate, for the decoder alone


class Pictures:
    """The images of a pool on the device, as many as are drawn."""

    def __init__(self, scenes: Scenes, device: torch.device) -> None:
        self._scenes = scenes
        self.images = torch.empty(scenes.images.shape, dtype=torch.uint8, device=device)
        self.count = 0

    def wait(self, least: int) -> None:
        """Until so many are drawn, and some of them can be brought; then bring all."""
        total = len(self._scenes.images)
        self._scenes.wait(min(max(least, _CHUNK), total))
        self.fetch(most=total)

    def fetch(self, most: int = 4) -> None:
        """Bring some chunks of what was drawn since."""
        drawn, total = self._scenes.count, len(self._scenes.images)
        for _ in range(most):
            end = min(self.count + _CHUNK, drawn)
            if end <= self.count or (end - self.count < _CHUNK and end < total):
                break
            self.images[self.count : end] = torch.from_numpy(self._scenes.images[self.count : end]).to(self.images.device)
            self.count = end


class FirstStage:
    """The autoencoder's training.

    Args:
        batch: whole images per step.
        compiled: let the network be compiled.
        perceptual: what a decoder that is trained alone is seen through, too.
    """

    def __init__(
        self,
        plan: Recipe,
        autoencoder: Autoencoder,
        *,
        batch: int,
        compiled: bool,
        perceptual: PerceptualDistance | None = None,
    ) -> None:
        self.config, self.autoencoder, self.batch, self.steps = plan.stage_one, autoencoder, batch, 0
        self._loss = StageOneLoss(autoencoder, plan.stage_one.loss.penalty_weight).to(autoencoder.last_layer.device)
        self.device = autoencoder.last_layer.device
        self.optimizer = Optimizer(self._loss.named_parameters(), plan.stage_one.optimizer, plan.stage_one.ema_decay)
        self._run = torch.compile(self._loss, dynamic=False) if compiled else self._loss
        self._raw = torch.compile(self._mode, dynamic=False) if compiled else self._mode
        self._compiled, self._perceptual = compiled, perceptual
        self._random = torch.Generator().manual_seed(1)
        rows = plan.data.size // plan.autoencoder.stride
        self._noise_shape = (batch, plan.autoencoder.latent_channels, rows, rows)
        self._pixels = torch.zeros(batch, 3, plan.data.size, plan.data.size, dtype=torch.uint8, device=self.device)
        self._noised = torch.zeros(self._noise_shape, device=self.device)  # raw
        self._told = torch.zeros((), device=self.device)

    def prepare(self) -> None:
        """Compile a step and record it; and one for each size that latents are shrunk to."""
        self._pixels.random_(0, 256)
        self._step = recorded(self._plain_step, self.device)
        say("stage one is compiled")
        rows = self._noise_shape[-1]
        sizes = range(max(1, rows // 2), rows, 2)
        # so many sizes are not worth a search for the fastest convolutions
        torch.backends.cudnn.benchmark, searching = False, torch.backends.cudnn.benchmark
        pool = torch.cuda.graph_pool_handle() if self.device.type == "cuda" else None
        self._turning = [recorded(self._turning_step(size), self.device, warm=1, pool=pool) for size in sizes]
        torch.backends.cudnn.benchmark = searching
        self.optimizer.restart()
        self.prepare_encoding()
        say("stage one is recorded")

    def prepare_encoding(self) -> None:
        """Compile what makes latents."""
        side = self._pixels.shape[-1]
        self.encode(torch.zeros(_ENCODED, 3, side, side, device=self.device))
        release()

    def train(self, pictures: Pictures, seconds: float) -> None:
        """So many seconds of steps, and the averaged weights at the end."""
        for progress in by_the_clock(seconds):
            if self.steps % _LOOK == 0:
                pictures.fetch()
            chosen = torch.randint(pictures.count, (self.batch,), device=self.device)
            self._pixels.copy_(pictures.images[chosen])
            warm = min(1.0, (self.steps + 1) / self.config.optimizer.warmup_steps)
            self.optimizer.rate.fill_(warm * 0.5 * (1.0 + math.cos(math.pi * progress)))
            if torch.rand((), generator=self._random) < self.config.equivariance:
                self._turning[int(torch.randint(len(self._turning), (), generator=self._random))]()
            else:
                self._step()
            self.steps += 1
            if self.steps in _FORGET:
                self.optimizer.forget()
            if self.steps % 500 == 0:
                say(f"stage one {self.steps}: loss {float(self._told):.0f}, progress {progress:.2f}, {pictures.count} scenes")
        self.optimizer.swap()
        batches = [
            pictures.images[start : start + 256].float() / 127.5 - 1.0 for start in range(0, min(4096, pictures.count), 256)
        ]
        with torch.no_grad():
            self.autoencoder.fit_latent_space(batches)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Normalised latents in half precision of images in [-1, 1]."""
        # one size alone, for which it is compiled
        blank = images.new_zeros(-len(images) % _ENCODED, *images.shape[1:])
        raw = torch.cat([self._raw(some) for some in torch.cat([images, blank]).split(_ENCODED)])[: len(images)]
        return self.autoencoder.latent_space.normalise(raw.float()).half()

    @torch.no_grad()
    def psnr(self, images: Tensor) -> float:
        """How well images of bytes are rebuilt, in dB, the mean over them."""
        images = images.float() / 127.5 - 1.0
        error = ((self.autoencoder.decode(self.autoencoder.encode(images)) - images) / 2).square().mean(dim=(1, 2, 3))
        return float((-10 * error.log10()).mean())

    def prepare_forgiving(self) -> None:
        """Compile a step of the decoder alone, which is also seen through the perceptual term's backbone, and record it."""
        seen = StageOneLoss(self.autoencoder, 0.0, self._perceptual, self.config.loss.perceptual_weight).to(self.device)
        seen.logvar = self._loss.logvar
        self._error = torch.compile(seen.error, dynamic=False) if self._compiled else seen.error
        weights = [*self.autoencoder.decoding_parameters()]
        for _, weight in weights:
            weight.requires_grad_(True)
        self._forgiving = Optimizer([*weights, ("logvar", self._loss.logvar)], self.config.optimizer, self.config.ema_decay)
        self._forgive = recorded(self._forgiving_step, self.device)
        self._forgiving.restart()
        say("the decoder's step is recorded")

    def forgive(self, images: Tensor, latents: Tensor, seconds: float) -> int:
        """So many seconds of steps of the decoder alone, with noise on the latents. Returns how many they were."""
        optimizer, steps = self._forgiving, 0
        for progress in by_the_clock(seconds):
            chosen = torch.randint(len(latents), (self.batch,), device=self.device)
            self._pixels.copy_(images[chosen])
            strength = FORGIVEN * torch.rand(self.batch, 1, 1, 1, device=self.device)
            clean = latents[chosen].float()
            self._noised.copy_(self.autoencoder.latent_space.denormalise(clean + strength * torch.randn_like(clean)))
            optimizer.rate.fill_(_GENTLY * min(1.0, (steps + 1) / 50) * 0.5 * (1.0 + math.cos(math.pi * progress)))
            self._forgive()
            steps += 1
            if steps in _FORGET:
                optimizer.forget()
            if steps % 500 == 0:
                say(f"decoder {steps}: loss {float(self._told):.0f}, progress {progress:.2f}")
        optimizer.swap()
        return steps

    def _mode(self, images: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.autoencoder.posterior(images).mode

    def _forgiving_step(self) -> None:
        loss = self._error(self._noised, self._pixels.float() / 127.5 - 1.0)
        self._forgiving.step(torch.autograd.grad(loss, self._forgiving.parameters))
        self._told.copy_(loss.detach())

    def _plain_step(self) -> None:
        noise = torch.randn(self._noise_shape, device=self.device)
        loss = self._run(self._pixels, noise)
        self.optimizer.step(torch.autograd.grad(loss, self.optimizer.parameters))
        self._told.copy_(loss.detach())

    def _turning_step(self, rows: int) -> Callable[[], None]:
        """With images and latents shrunk to so many rows of these, each quarter of the batch turned otherwise."""

        def step() -> None:
            noise = torch.randn(self._noise_shape, device=self.device)
            images, raw, penalty = self._loss.encode(self._pixels, noise)
            error = self._loss.error(*shrunk_and_turned(images, raw, rows)[::-1])
            self.optimizer.step(torch.autograd.grad(error + self._loss.penalty_weight * penalty, self.optimizer.parameters))

        return step


def shrunk_and_turned(images: Tensor, latents: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """What `transform_together` does, to a size that is known before, and by every turn at once: a quarter of the batch each."""
    size = rows * (images.shape[-1] // latents.shape[-1])
    both = shrunk(images, size, size), shrunk(latents.float(), rows, rows)
    made = [torch.cat([turned(part, turn) for turn, part in enumerate(one.chunk(4))]) for one in both]
    return made[0], made[1]


@torch.no_grad()
def encode_pool(scenes: Scenes, images: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Every scene's latent, on the device and in the pool."""
    latents = torch.empty(scenes.latents.shape, dtype=torch.float16, device=images.device)
    for start in range(0, len(images), _ENCODED):
        latents[start : start + _ENCODED] = encode(images[start : start + _ENCODED].float() / 127.5 - 1.0)
    np.copyto(scenes.latents, latents.cpu().numpy())
    return latents


@torch.no_grad()
def encode_surroundings(images: Tensor, holes: Tensor, encode: Callable[[Tensor], Tensor], into: np.ndarray) -> None:
    """The latents of images whose holes (count, 1, height, width) are grey."""
    for start in range(0, len(images), _ENCODED):
        kept = 1.0 - holes[start : start + _ENCODED].to(images.device).float()
        shown = (images[start : start + _ENCODED].float() / 127.5 - 1.0) * kept
        into[start : start + len(shown)] = encode(shown).cpu().numpy()
