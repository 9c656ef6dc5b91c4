"""Stage two: the U-Net and the text encoder learn together to denoise latents (Rombach 2022, eq. 3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from PIL import Image as PILImage
from torch import Tensor, nn

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.dropout import drop_prompts
from ildm.conditioning.hint import Features, Hint, drop_features
from ildm.core.errors import ConfigError
from ildm.core.randomness import generator, step_stream
from ildm.core.seeds import check_seed
from ildm.core.share import WHOLE, Share
from ildm.core.types import Conditioning, Latent
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import AnyPath, LinearInterpolation, add_noise
from ildm.diffusion.prediction import Prediction, target
from ildm.diffusion.weighting import LossWeighting, TimeDistribution
from ildm.training.alignment import SemanticHead, naming_loss
from ildm.training.ema import EMA
from ildm.training.grounding import Ground, GroundingLoss
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import Optimizer, OptimizerConfig
from ildm.training.precision import Precision, autocast
from ildm.training.run_state import RunState
from ildm.training.task import Metrics
from ildm.training.world import ALONE, World

LatentBatches = Callable[[int], Iterator["CaptionedLatents"]]
"""From a data position, batches."""


NO_MAPS = "stage_two.alignment needs data with semantic maps, but these have none: set it to 0."
NOTHING_TO_GROUND = (
    "stage_two.grounding needs layouts, or captions and maps of EmojiScenes, but these have nothing to tell which words are for what lies "
    "where: set it to 0."
)


@dataclass(frozen=True)
class CaptionedLatents:
    """What one step sees.

    Args:
        latents: (batch, channels, height, width), normalised.
        captions: one per latent.
        maps: (batch, height, width), the class of every latent's cell; only alignment needs them.
        features: (batch, features, rows, columns), what the hint is made of; only models with one need them.
    """

    latents: Latent
    captions: Sequence[str]
    maps: Int[Tensor, "batch height width"] | None = None
    features: Features | None = None


@dataclass(frozen=True, kw_only=True)
class StageTwoConfig:
    """How the denoiser is trained.

    Args:
        loop: length and records.
        optimizer: of the U-Net and the text encoder.
        path: from data to noise.
        prediction: what the network learns to say.
        times: where training times are drawn.
        weighting: how much each time counts.
        dropout: share of captions replaced by the empty one.
        batch_size: latents per step, of all processes together.
        precision: of the forward pass; weights stay float32.
        ema_decay: of the weights that are sampled and exported.
        alignment: how much it counts that the network can name what lies where; 0 = not at all. It needs data with maps.
        grounding: how much it counts that each place looks at the words for what lies there; 0 = not at all. It needs layouts, or captions
            of things that maps show.
        helped: two shares of the steps: up to the first, alignment and grounding count in full, from the second on not at all, and in
            between less and less. Kept for long, they are what leads a training astray.
        seed: of noise, times, dropout and data order.
    """

    loop: LoopConfig
    optimizer: OptimizerConfig = OptimizerConfig(learning_rate=5e-4, weight_decay=0.01, warmup_steps=500)
    path: AnyPath = LinearInterpolation()
    prediction: Prediction = "velocity"
    times: TimeDistribution = TimeDistribution(kind="logit-normal")
    weighting: LossWeighting = LossWeighting()
    dropout: float = 0.1
    batch_size: int = 64
    precision: Precision = "bfloat16"
    ema_decay: float = 0.9995
    alignment: float = 0.0
    grounding: float = 0.0
    helped: tuple[float, float] = (1.0, 1.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0.0 <= self.dropout <= 1.0 or not 0.0 <= self.ema_decay < 1.0:
            raise ConfigError(
                "Stage two takes a batch_size of at least 1, a dropout in [0, 1] and an ema_decay in [0, 1), but "
                f"{self.batch_size}, {self.dropout} and {self.ema_decay} were given."
            )
        check_seed(self.seed)
        for key in ("alignment", "grounding"):
            if not 0.0 <= getattr(self, key) < math.inf:
                raise ConfigError(f"stage_two.{key} is a weight of at least 0, but {getattr(self, key)} was given: try 0.1.")
        if not 0.0 <= self.helped[0] <= self.helped[1] <= 1.0:
            raise ConfigError(
                "stage_two.helped takes two shares in [0, 1], the smaller one first, but "
                f"{self.helped[0]} and {self.helped[1]} were given: try 0.25 and 0.5."
            )

    def help_at(self, progress: float) -> float:
        """What alignment and grounding are multiplied by after this share of the steps."""
        full, none = self.helped
        if progress < full or full == 1.0:
            return 1.0
        return (none - progress) / (none - full) if progress < none else 0.0


class Networks(nn.Module):
    """What stage two trains: the denoising network, what reads words, and what turns a hint into a conditioning."""

    def __init__(self, unet: UNet, conditioner: Conditioner | None, hint: Hint | None = None) -> None:
        super().__init__()
        self.unet = unet
        self.conditioner = conditioner
        self.hint = hint

    def condition(self, captions: Sequence[str], features: Features | None = None) -> Conditioning:
        """The conditioning of words and of a hint's features; empty where the networks take neither."""
        words = Conditioning() if self.conditioner is None else self.conditioner(captions)
        if self.hint is None:
            return words
        assert features is not None
        return words.beside(self.hint(features))


class Losses(NamedTuple):
    """What one batch costs.

    Args:
        denoising: the weighted squared error of the network's prediction.
        naming: how badly it names what lies where, see `ildm.training.alignment`.
        grounding: how badly it looks at the words for what lies where, see `ildm.training.grounding`.
    """

    denoising: Float[Tensor, ""]
    naming: Float[Tensor, ""]
    grounding: Float[Tensor, ""]

    def weighted(self, config: StageTwoConfig, helped: float = 1.0) -> Float[Tensor, ""]:
        """All together.

        Args:
            helped: see `StageTwoConfig.help_at`.
        """
        return self.denoising + helped * (config.alignment * self.naming + config.grounding * self.grounding)


class StageTwo:
    """A `Task`: one step is one batch of eq. 3.

    Args:
        networks: trained in place.
        batches: the data; where several processes train, this one's part of it.
        draw: makes a sample sheet with the averaged networks.
        export: called with the averaged networks whenever a state was saved.
        num_classes: of the batches' maps, the background among them.
        ground: binds prompts to places; None = nobody can.
        world: the processes that train together.

    Raises:
        ConfigError: when alignment is asked for and there are no maps, or grounding and nobody can tell what lies where.
    """

    def __init__(
        self,
        config: StageTwoConfig,
        networks: Networks,
        batches: LatentBatches,
        draw: Callable[[Networks], PILImage.Image | None],
        export: Callable[[Networks, RunState], None],
        num_classes: int = 0,
        ground: Ground | None = None,
        world: World = ALONE,
    ) -> None:
        self.config = config
        self._share = world.share
        self.networks = networks
        self.batches = batches
        self._draw, self._export = draw, export
        if config.grounding and ground is None:
            raise ConfigError(NOTHING_TO_GROUND)
        self._ground = ground if config.grounding else None
        self.head: SemanticHead | None = None
        trained = list(networks.named_parameters())
        if config.alignment:
            if num_classes < 2:
                raise ConfigError(NO_MAPS)
            width = networks.unet.config.channels[min(1, networks.unet.config.levels - 1)]
            self.head = SemanticHead(width, num_classes).to(next(networks.parameters()).device)
            trained += self.head.named_parameters()
        self._optimizer = Optimizer(trained, config.optimizer, config.loop.steps, world=world)
        self.ema = EMA(networks, config.ema_decay)

    @property
    def batch_size(self) -> int:
        """Latents per step."""
        return self.config.batch_size

    def train_step(self, step: int, batch: CaptionedLatents) -> Metrics:
        """One update on one batch; everything random derives from (seed, step)."""
        random = generator(self.config.seed, step_stream(step))
        helped = self.config.help_at(step / max(1, self.config.loop.steps))
        head, ground = (self.head, self._ground) if helped else (None, None)
        found = losses(self.networks, self.config, batch, random, head, ground, self._share)
        norm = self._optimizer.update(found.weighted(self.config, helped), step)
        self.ema.update(self.networks, step)
        told = {} if head is None else {"naming": found.naming.detach()}
        told |= {} if ground is None else {"grounding": found.grounding.detach()}
        return {"loss": found.denoising.detach(), "gradient_norm": norm, **told}

    def state(self) -> dict[str, Any]:
        """Weights, optimizer and average."""
        return {
            "networks": self.networks.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "ema": self.ema.shadow.state_dict(),
        } | ({} if self.head is None else {"head": self.head.state_dict()})

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.networks.load_state_dict(state["networks"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.ema.shadow.load_state_dict(state["ema"])
        if self.head is not None:
            self.head.load_state_dict(state["head"])

    def sample_sheet(self) -> PILImage.Image | None:
        """A few prompts drawn with the averaged networks."""
        return self._draw(self.ema.shadow)

    def export(self, state: RunState) -> None:
        """Write the averaged networks."""
        self._export(self.ema.shadow, state)

    @property
    def is_sound(self) -> bool:
        """See `judge`."""
        return True

    def judge(self, metrics: dict[str, float]) -> str | None:  # noqa: ARG002
        """A regression does not collapse; a loss that is no number is the loop's concern."""
        return None


def losses(
    networks: Networks,
    config: StageTwoConfig,
    batch: CaptionedLatents,
    random: torch.Generator,
    head: SemanticHead | None = None,
    ground: Ground | None = None,
    share: Share = WHOLE,
) -> Losses:
    """Eq. 3 on one batch, and what it is helped by.

    Args:
        batch: its captions are dropped here at the configured rate.
        random: of times, noise and dropout, on the CPU.
        head: None = naming costs 0.
        ground: None = grounding costs 0.
        share: which part of the step's whole batch `batch` is.
    """
    device = next(networks.parameters()).device
    latents = batch.latents
    prompts = drop_prompts(batch.captions, config.dropout, random, share)
    t = share.of(config.times.sample(share.count * len(latents), random)).double()
    noise = share.randn(latents.shape, random).to(device)
    features = None if batch.features is None else batch.features.to(device)
    if networks.hint is not None and features is not None:
        features = drop_features(networks.hint, features, networks.hint.config.dropout, random, share)
    latents = latents.to(device)
    noised = add_noise(config.path, latents, noise, t)
    wanted = target(config.path, config.prediction, latents, noise, t)
    naming = grounding = torch.zeros((), device=device)
    watch = (
        None if ground is None else GroundingLoss(ground(prompts, batch.maps, (latents.shape[2], latents.shape[3])).to(device))
    )
    with autocast(config.precision, device):
        time, conditioning = config.path.network_time(t).to(noised), networks.condition(prompts, features)
        output, inner = networks.unet.look_inside(noised, time, conditioning, watch)
        if head is not None:
            assert batch.maps is not None
            naming = naming_loss(head(inner), batch.maps.to(device)).mean()
        if watch is not None:
            grounding = watch.mean()
    error = (output.float() - wanted).square().mean(dim=(1, 2, 3))
    denoising = (config.weighting(config.path, config.prediction, t).to(error) * error).mean()
    return Losses(denoising, naming, grounding)
