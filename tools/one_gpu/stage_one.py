"""Stage one by the clock: the autoencoder, and every scene's latent."""

from __future__ import annotations

import math

import torch
from clock import by_the_clock, recorded, say
from optimizer import Optimizer
from stages import StageOneLoss
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.training.equivariance import transform_together
from ildm.training.recipe import Recipe

_FORGET = (100, 200, 500, 1000)  # steps at which the averages begin anew


class FirstStage:
    """The autoencoder's training.

    Args:
        batch: whole images per step.
        compiled: let the network be compiled.
    """

    def __init__(self, plan: Recipe, autoencoder: Autoencoder, *, batch: int, compiled: bool) -> None:
        self.config, self.autoencoder, self.batch, self.steps = plan.stage_one, autoencoder, batch, 0
        self._compiled = compiled
        self._loss = StageOneLoss(autoencoder, plan.stage_one.loss.penalty_weight).to(autoencoder.last_layer.device)
        self.device = autoencoder.last_layer.device
        self.optimizer = Optimizer(self._loss.named_parameters(), plan.stage_one.optimizer, plan.stage_one.ema_decay)
        self._run = torch.compile(self._loss, dynamic=False) if compiled else self._loss
        self._random = torch.Generator().manual_seed(1)
        rows = plan.data.size // plan.autoencoder.stride
        self._noise_shape = (batch, plan.autoencoder.latent_channels, rows, rows)
        self._pixels = torch.zeros(batch, 3, plan.data.size, plan.data.size, dtype=torch.uint8, device=self.device)
        self._told = torch.zeros((), device=self.device)

    def prepare(self) -> None:
        """Compile a step and record it."""
        self._pixels.random_(0, 256)
        self._step = recorded(self._plain_step, self.device)
        self.optimizer.restart()
        say("stage one is compiled")

    def train(self, images: Tensor, seconds: float) -> None:
        """So many seconds of steps, and the averaged weights at the end."""
        for progress in by_the_clock(seconds):
            self._pixels.copy_(images[torch.randint(len(images), (self.batch,), device=self.device)])
            warm = min(1.0, (self.steps + 1) / self.config.optimizer.warmup_steps)
            self.optimizer.rate.fill_(warm * 0.5 * (1.0 + math.cos(math.pi * progress)))
            if torch.rand((), generator=self._random) < self.config.equivariance:
                self._turning_step()
            else:
                self._step()
            self.steps += 1
            if self.steps in _FORGET:
                self.optimizer.forget()
            if self.steps % 500 == 0:
                say(f"stage one {self.steps}: loss {float(self._told):.0f}, progress {progress:.2f}")
        self.optimizer.swap()
        batches = [images[start : start + 256].float() / 127.5 - 1.0 for start in range(0, min(4096, len(images)), 256)]
        self.autoencoder.fit_latent_space(batches)

    @torch.no_grad()
    def encode_all(self, images: Tensor) -> tuple[Tensor, float]:
        """Normalised latents in half precision, and how well some of the images are rebuilt from them, in dB."""
        encode = torch.compile(self._encode, dynamic=False) if self._compiled else self._encode
        size = min(1024, len(images))
        latents = torch.empty(len(images), *self._noise_shape[1:], dtype=torch.float16, device=self.device)
        for place in range(0, len(images), size):
            start = min(place, len(images) - size)
            latents[start : start + size] = encode(images[start : start + size]).half()
        rebuilt = self.autoencoder.decode(latents[:256].float())
        error = ((rebuilt - (images[:256].float() / 127.5 - 1.0)) / 2).square().mean(dim=(1, 2, 3))
        psnr = float((-10 * error.log10()).mean())
        say(f"encoded; training images are rebuilt at {psnr:.2f} dB")
        return latents, psnr

    def _encode(self, pixels: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            return self.autoencoder.encode(pixels.float() / 127.5 - 1.0)

    def _plain_step(self) -> None:
        noise = torch.randn(self._noise_shape, device=self.device)
        loss = self._run(self._pixels, noise)
        self.optimizer.step(torch.autograd.grad(loss, self.optimizer.parameters))
        self._told.copy_(loss.detach())

    def _turning_step(self) -> None:
        noise = torch.randn(self._noise_shape, device=self.device)
        images, raw, penalty = self._loss.encode(self._pixels, noise)
        images, raw = transform_together(images, raw, self._random)
        loss = self._loss.error(raw, images) + self._loss.penalty_weight * penalty
        self.optimizer.step(torch.autograd.grad(loss, self.optimizer.parameters))
