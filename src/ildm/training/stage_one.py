"""Stage one: the autoencoder learns to reconstruct, a discriminator learns to tell (Rombach 2022, section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image as PILImage
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.bottleneck import Posterior
from ildm.autoencoder.codebook import Codes
from ildm.autoencoder.discriminator import PatchDiscriminator
from ildm.autoencoder.loss import (
    NegativeLogLikelihood,
    ReconstructionLossConfig,
    adaptive_weight,
    discriminator_accuracy,
    hinge_loss,
)
from ildm.autoencoder.perceptual import perceptual_distance
from ildm.core.errors import ConfigError
from ildm.core.picture import paste_grid, to_pictures
from ildm.core.randomness import generator, step_stream
from ildm.core.seeds import check_seed
from ildm.core.share import Share
from ildm.core.types import Image, Latent
from ildm.training.batch_norm import normalise_whole_batches
from ildm.training.codebook import CodebookConfig, codebook_training
from ildm.training.collapse import CollapseGuard
from ildm.training.ema import EMA
from ildm.training.equivariance import transform_together
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import Optimizer, OptimizerConfig
from ildm.training.precision import Precision, autocast
from ildm.training.run_state import RunState
from ildm.training.task import Metrics
from ildm.training.world import ALONE, World

ImageBatches = Callable[[int], Iterator[Image]]
"""From a data position, batches of images (batch, 3, height, width) in [-1, 1]."""


@dataclass(frozen=True, kw_only=True)
class StageOneConfig:
    """How the autoencoder is trained.

    Args:
        loop: length and records.
        optimizer: of the autoencoder and its learned `logvar`.
        discriminator_optimizer: of the discriminator.
        loss: the terms and their weights. The sum over a latent that a vector-quantised bottleneck charges counts as much beside the sum
            over pixels as in the paper when `penalty_weight` is 3 stride^2 / channels.
        codebook: how a vector-quantised bottleneck's entries learn.
        batch_size: images per step, of all processes together.
        crop: side of the random crops trained on, pixels; None = whole images.
        precision: of the forward pass; weights stay float32.
        ema_decay: of the exported weights.
        discriminator_channels, discriminator_layers: see `PatchDiscriminator`.
        decoder_only: keep the encoder as it is, so that denoisers and latents that were made for it stay good.
        equivariance: share of the steps that shrink and turn images and latents together, see `transform_together`.
        latent_noise: noise on what is decoded, in deviations of the latents; each image's is drawn evenly from 0 to this. A decoder that
            has learned with it forgives what a denoiser leaves behind (Zheng 2025, section 4.3).
        seed: of posterior samples and data order.
    """

    loop: LoopConfig
    optimizer: OptimizerConfig = OptimizerConfig(learning_rate=4e-4, betas=(0.5, 0.9), warmup_steps=200, decay="cosine")
    discriminator_optimizer: OptimizerConfig = OptimizerConfig(learning_rate=2e-4, betas=(0.5, 0.9), warmup_steps=0)
    loss: ReconstructionLossConfig = field(default_factory=ReconstructionLossConfig)
    codebook: CodebookConfig = field(default_factory=CodebookConfig)
    batch_size: int = 32
    crop: int | None = None
    precision: Precision = "bfloat16"
    ema_decay: float = 0.999
    discriminator_channels: int = 32
    discriminator_layers: int = 2
    decoder_only: bool = False
    equivariance: float = 0.0
    latent_noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or (self.crop is not None and self.crop < 1) or not 0.0 <= self.ema_decay < 1.0:
            raise ConfigError(
                "Stage one takes a batch_size and a crop of at least 1 and an ema_decay in [0, 1), but "
                f"{self.batch_size}, {self.crop} and {self.ema_decay} were given."
            )
        if self.discriminator_channels < 1 or self.discriminator_layers < 1:
            raise ConfigError(
                "A discriminator has at least 1 channel and 1 layer, but "
                f"{self.discriminator_channels} and {self.discriminator_layers} were given."
            )
        if not 0.0 <= self.equivariance <= 1.0:
            raise ConfigError(f"equivariance is a share of the steps, within [0, 1], but {self.equivariance} was given.")
        check_seed(self.seed)
        if not 0.0 <= self.latent_noise < math.inf:
            raise ConfigError(f"latent_noise is 0 or more deviations, but {self.latent_noise} was given: try 0.3.")


class StageOne:
    """A `Task`: one step updates the autoencoder, then the discriminator.

    Args:
        autoencoder: trained in place.
        batches: the data; where several processes train, this one's part of it.
        preview: images for the sample sheet.
        world: the processes that train together.
    """

    def __init__(
        self,
        config: StageOneConfig,
        autoencoder: Autoencoder,
        batches: ImageBatches,
        preview: Image,
        world: World = ALONE,
    ) -> None:
        self.config = config
        self._world = world
        self.autoencoder = autoencoder
        self.batches = batches
        self._preview = preview
        device = autoencoder.last_layer.device
        loss = config.loss
        self.likelihood = NegativeLogLikelihood(
            perceptual_distance(loss.backbone, loss.magnification), loss.perceptual_weight
        ).to(device)
        self.discriminator = PatchDiscriminator(config.discriminator_channels, config.discriminator_layers).to(device)
        normalise_whole_batches(self.discriminator, world)
        self.ema = EMA(autoencoder, config.ema_decay)
        self._codebook = codebook_training(autoencoder.bottleneck, self.ema.shadow.bottleneck, config.codebook, world)
        weights = autoencoder.decoding_parameters() if config.decoder_only else autoencoder.named_parameters()
        moved = () if self._codebook is None or self._codebook.by_gradient else ("bottleneck.codebook.weight",)
        trained = [*((name, one) for name, one in weights if name not in moved), ("logvar", self.likelihood.logvar)]
        self._optimizer = Optimizer(trained, config.optimizer, config.loop.steps, world=world)
        self._discriminator_optimizer = Optimizer(
            self.discriminator.named_parameters(), config.discriminator_optimizer, config.loop.steps, world=world
        )
        self._guard = CollapseGuard()

    @property
    def batch_size(self) -> int:
        """Images per step."""
        return self.config.batch_size

    def train_step(self, step: int, batch: Image) -> Metrics:
        """One update of the autoencoder and, once it takes part, one of the discriminator."""
        images = batch.to(self.autoencoder.last_layer.device)
        scale = self.config.loss.discriminator_scale(step)
        with autocast(self.config.precision, images.device):
            with torch.set_grad_enabled(not self.config.decoder_only):
                posterior = self.autoencoder.posterior(images)
            random = generator(self.config.seed, step_stream(step))
            raw = posterior.sample(_noise(posterior.mode, random, self._world.share))
            if self.config.equivariance > torch.rand((), generator=random):
                images, raw = transform_together(images, raw, random)
            if self.config.latent_noise > 0.0:
                raw = raw + self._disturbance(raw.detach(), random)
            reconstructions = self.autoencoder.reconstruct(raw)
        reconstructions = reconstructions.float()
        # The loss's own graph ends at `output`: its gradient there serves the adaptive weight and the update alike, so that
        # the perceptual network and the discriminator are walked back once instead of twice.
        output = reconstructions.detach().requires_grad_()
        loss, metrics = self.likelihood(output, images)
        gradient, logvar_gradient = torch.autograd.grad(loss, (output, self.likelihood.logvar))
        if scale > 0.0:
            with autocast(self.config.precision, images.device):
                generator_loss = -self.discriminator(output).float().mean()
            (generator_gradient,) = torch.autograd.grad(generator_loss, output)
            weight = adaptive_weight(
                reconstructions, gradient, generator_gradient, self.autoencoder.last_layer, self._world.mean
            )
            factor = scale * self.config.loss.discriminator_weight * weight
            gradient, loss = gradient + factor * generator_gradient, loss + factor * generator_loss.detach()
            metrics["adaptive_weight"] = weight
        penalty = self._penalty(posterior).float().mean()
        weighted_penalty = self.config.loss.penalty_weight * penalty
        # linear in what is trained, with the gradient of the whole loss
        update = (reconstructions * gradient).sum() + self.likelihood.logvar * logvar_gradient + weighted_penalty
        metrics["gradient_norm"] = self._optimizer.update(update, step)
        metrics |= {"loss": (loss + weighted_penalty).detach(), "penalty": penalty.detach()}
        if scale > 0.0:
            metrics |= self._train_discriminator(step, images, output.detach())
        self.ema.update(self.autoencoder, step)
        if self._codebook is not None and isinstance(posterior, Codes):
            self._codebook.update(posterior, step, random)
            metrics |= self._codebook.metrics()
        return metrics

    def state(self) -> dict[str, Any]:
        """Weights, optimizers and the average."""
        return {
            "autoencoder": self.autoencoder.state_dict(),
            "logvar": self.likelihood.logvar.detach(),
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "discriminator_optimizer": self._discriminator_optimizer.state_dict(),
            "ema": self.ema.shadow.state_dict(),
            "guard": self._guard.state(),
            "codebook": {} if self._codebook is None else self._codebook.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.autoencoder.load_state_dict(state["autoencoder"])
        with torch.no_grad():
            self.likelihood.logvar.copy_(state["logvar"])
        self.discriminator.load_state_dict(state["discriminator"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.ema.shadow.load_state_dict(state["ema"])
        self._guard.load_state(state["guard"])
        if self._codebook is not None:
            self._codebook.load_state(state["codebook"])

    @torch.inference_mode()
    def sample_sheet(self) -> PILImage.Image:
        """Images above their reconstructions."""
        model = self.ema.shadow
        images = self._preview.to(model.last_layer.device)
        rebuilt = model.reconstruct(model.posterior(images).mode).clamp(-1, 1)
        return paste_grid(to_pictures(torch.cat([images, rebuilt])), columns=len(images), gap=4)

    def export(self, state: RunState) -> None:
        """An autoencoder is of no use to others before its latent space is fitted, at the end."""

    @property
    def is_sound(self) -> bool:
        """Whether the guard is not counting."""
        return self._guard.bad == 0

    def judge(self, metrics: dict[str, float]) -> str | None:
        """Watch the discriminator and the reconstructions."""
        return self._guard.judge(metrics)

    def _disturbance(self, raw: Latent, random: torch.Generator) -> Latent:
        share, each = self._world.share, (0, 2, 3)
        mean, square = (self._world.mean(one.float().mean(dim=each)) for one in (raw, raw.square()))
        deviation = (square - mean.square()).clamp(min=0.0).sqrt()
        strength = self.config.latent_noise * share.of(torch.rand(share.count * len(raw), generator=random)).to(raw)
        return strength[:, None, None, None] * deviation[None, :, None, None].to(raw) * _noise(raw, random, share)

    def _penalty(self, posterior: Posterior) -> Tensor:
        if self._codebook is not None and isinstance(posterior, Codes):
            return self._codebook.penalty(posterior)
        return posterior.penalty()

    def _train_discriminator(self, step: int, images: Image, fakes: Tensor) -> Metrics:
        with autocast(self.config.precision, images.device):
            real, fake = self.discriminator(images).float(), self.discriminator(fakes).float()
        loss = hinge_loss(real, fake)
        self._discriminator_optimizer.update(loss, step)
        return {"discriminator_loss": loss, "discriminator_accuracy": discriminator_accuracy(real, fake)}


def _noise(like: Tensor, random: torch.Generator, share: Share) -> Tensor:
    return share.randn(like.shape, random).to(like.device, like.dtype)
