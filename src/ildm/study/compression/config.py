"""The compression study as a value: which first stages, which denoisers on them, how all are trained and judged.

Rombach 2022, section 4.1: the same data, the same steps and about the same denoiser for every f; f = 1 is pixel diffusion.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.loss import ReconstructionLossConfig
from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.data.concepts import find_concepts
from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.denoiser.config import UNetConfig
from ildm.recipes.emoji import ANIMALS_AND_NATURE
from ildm.study.compression.sizing import denoiser
from ildm.study.operations import denoiser_training
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.stage_one import StageOneConfig
from ildm.training.stage_two_config import StageTwoConfig

Bottleneck = Literal["kl", "vq"]
Kind = Literal["pixels", "kl", "vq"]

FACTORS = (1, 2, 4, 8, 16, 32)
BOTTLENECKS: tuple[Bottleneck, ...] = ("kl", "vq")
LATENT_CHANNELS: dict[Bottleneck, dict[int, int]] = {
    "kl": {2: 2, 4: 3, 8: 4, 16: 16, 32: 64},
    "vq": {2: 2, 4: 3, 8: 4, 16: 8, 32: 16},
}
"""Channels of the latent by f (Rombach 2022, table 8)."""
SHARES = (0.125, 0.25, 0.5, 1.0)
"""Where along a training its samples are judged. The verdict on stalling compares the last with the one at half."""
LEAST_STEPS = 2
"""Of a denoiser's training: there is an end and a half."""
_UNEQUAL = 0.1


@dataclass(frozen=True, kw_only=True)
class Judging:
    """How first stages and samples are measured.

    Args:
        num_images: scenes that training never saw, for reconstruction and for their classes; as many others are the reference.
        num_steps: of the sampler, along a training.
        speeds: numbers of steps that finished denoisers are drawn from with, for quality against samples per second.
        sampler: a registered name.
        batch_size: images drawn at once.
        seed: of the first drawing; each further one adds 1.
    """

    num_images: int = 512
    num_steps: int = 20
    speeds: tuple[int, ...] = (5, 10, 20, 40)
    sampler: str = "dpmpp-2m"
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        extensions.load("ildm.samplers", self.sampler)
        if self.num_images < 10 or min(self.num_steps, self.batch_size, *self.speeds) < 1:
            raise ConfigError(
                "Judging takes num_images of at least 10, and num_steps, speeds and a batch_size of at least 1, but "
                f"{self.num_images}, {self.num_steps}, {self.speeds} and {self.batch_size} were given."
            )


@dataclass(frozen=True, kw_only=True)
class CompressionConfig:
    """Everything that decides what the study finds.

    Args:
        data: scenes with one object, whose concept is the class that the denoiser is told.
        factors: values of f to compare.
        bottlenecks: of the first stages with f > 1.
        widths: channels of the autoencoders' levels behind a stem that folds 2x2 pixels; f takes the first log2(f) of them.
        codebook_size: entries of every vector-quantised bottleneck.
        stage_one: of every autoencoder; what a codebook's penalty weighs follows from f.
        parameters: of every denoiser, about.
        stage_two: of every denoiser.
        reference_factor: the f whose whole training is the operations that all are compared at in the second table.
        judging: how results are measured.
        workers: processes that prepare images.
    """

    data: EmojiScenesConfig
    factors: tuple[int, ...] = FACTORS
    bottlenecks: tuple[Bottleneck, ...] = BOTTLENECKS
    widths: tuple[int, ...] = (48, 96, 160, 160, 160)
    codebook_size: int = 1024
    stage_one: StageOneConfig
    parameters: int = 4_000_000
    stage_two: StageTwoConfig
    reference_factor: int = 8
    judging: Judging = Judging()
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("factors", "bottlenecks"):
            given = getattr(self, name)
            if not given or len(set(given)) < len(given):
                raise ConfigError(f"{name} names one thing or more, each once, but {given} was given.")
        for factor in (*self.factors, self.reference_factor):
            if factor not in FACTORS:
                raise ConfigError(f"f is one of {', '.join(map(str, FACTORS))}, but {factor} was given.")
        if max(self.factors).bit_length() - 1 > len(self.widths):
            raise ConfigError(
                f"f = {max(self.factors)} needs {max(self.factors).bit_length() - 1} widths, but {self.widths} was given."
            )
        if self.data.max_objects != 1:
            raise ConfigError("The class of a scene is its one object: data.max_objects stays 1.")
        if self.data.size % 64:
            raise ConfigError(
                f"data.size is a multiple of 64, so that f = 32 leaves a grid of cells, but {self.data.size} was given."
            )
        if self.stage_one.loop.steps < 1 or self.stage_two.loop.steps < LEAST_STEPS:
            raise ConfigError(
                f"stage_one.loop.steps is at least 1 and stage_two.loop.steps at least {LEAST_STEPS}, but "
                f"{self.stage_one.loop.steps} and {self.stage_two.loop.steps} were given."
            )
        if self.stage_two.optimizer.decay != "none" or self.stage_two.dropout:
            raise ConfigError(
                "Every point of a denoiser's training is compared as if it ended there, and it is always told a class: "
                "stage_two.optimizer.decay stays none and stage_two.dropout 0."
            )

    @property
    def num_classes(self) -> int:
        """How many concepts the data shows."""
        return len(find_concepts(self.data.concepts))

    def with_steps(self, stage_one: int, stage_two: int) -> CompressionConfig:
        """The same for other numbers of steps."""
        one, two = self.stage_one, self.stage_two
        return replace(
            self,
            stage_one=replace(one, loop=replace(one.loop, steps=stage_one)),
            stage_two=replace(two, loop=replace(two.loop, steps=stage_two)),
        )


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One first stage and the denoiser on it.

    Args:
        factor: f, image pixels per latent cell and side.
        kind: the bottleneck; "pixels" where there is no autoencoder.
        side: of the latent, cells.
        autoencoder, stage_one: None where there is none.
    """

    factor: int
    kind: Kind
    side: int
    autoencoder: AutoencoderConfig | None
    stage_one: StageOneConfig | None
    denoiser: UNetConfig

    @property
    def name(self) -> str:
        """Of its folder: `f8-kl`."""
        return f"f{self.factor}-{self.kind}"

    @property
    def operations(self) -> int:
        """Of one latent's part in a step of the denoiser's training."""
        return denoiser_training(self.denoiser, self.side)


def arms(config: CompressionConfig) -> tuple[Arm, ...]:
    """Every arm of the study, f rising, KL before VQ; f = 1 is one arm, which both bottlenecks are compared with."""
    return tuple(
        _arm(config, factor, kind)
        for factor in sorted(config.factors)
        for kind in (("pixels",) if factor == 1 else config.bottlenecks)
    )


def equal_steps(config: CompressionConfig) -> tuple[int, ...]:
    """The steps at which all arms are judged alike, one for each of `SHARES`."""
    return tuple(max(1, round(share * config.stage_two.loop.steps)) for share in SHARES)


def equal_compute(config: CompressionConfig, arm: Arm) -> tuple[int, ...]:
    """The steps after which an arm has spent the same operations as the reference at each of `SHARES` of its training.

    0 where whole steps miss them by more than a tenth, as a large latent's do in a short study.
    """
    kind: Kind = "pixels" if config.reference_factor == 1 else config.bottlenecks[0]
    whole = config.stage_two.loop.steps * _arm(config, config.reference_factor, kind).operations
    exact = [share * whole / arm.operations for share in SHARES]
    return tuple(round(steps) if abs(round(steps) / steps - 1.0) <= _UNEQUAL else 0 for steps in exact)


def default() -> CompressionConfig:
    """Hours on two CPU cores: 64 px, thirty things in three styles on plain backgrounds."""
    return CompressionConfig(
        data=EmojiScenesConfig(
            size=64,
            length=20_000,
            concepts=ANIMALS_AND_NATURE,
            styles=("flat", "3d", "noto"),
            max_objects=1,
            backgrounds=("plain",),
            captions=1,
        ),
        # the absolute error alone: at this budget the other terms add dots (docs/decisions/first-stage-terms.md)
        stage_one=StageOneConfig(
            loop=LoopConfig(steps=2_000),
            loss=ReconstructionLossConfig(backbone="none", discriminator_weight=0.0),
            optimizer=OptimizerConfig(
                learning_rate=1e-3, hidden_learning_rate=4e-3, betas=(0.5, 0.9), warmup_steps=100, decay="cosine"
            ),
            batch_size=16,
        ),
        # AdamW as in the paper: Muon's own arithmetic would outweigh the smallest latents' and counts with no one's operations
        stage_two=StageTwoConfig(
            loop=LoopConfig(steps=4_000),
            optimizer=OptimizerConfig(learning_rate=5e-4, weight_decay=0.01, warmup_steps=200),
            dropout=0.0,
            batch_size=32,
            ema_decay=0.999,
        ),
    )


def tiny() -> CompressionConfig:
    """Every part at work within seconds, on the sprites inside the package; its figures say nothing."""
    whole = default()
    return replace(
        whole,
        data=replace(
            whole.data, length=32, sprites="sample", concepts=("red apple", "rocket", "cactus"), styles=("flat", "noto")
        ),
        factors=(1, 4, 8, 32),
        widths=(16, 16, 16, 16, 16),
        codebook_size=16,
        stage_one=replace(
            whole.stage_one,
            loop=LoopConfig(steps=2, log_every=1),
            optimizer=replace(whole.stage_one.optimizer, warmup_steps=1),
            batch_size=4,
            precision="float32",
        ),
        parameters=1_000_000,
        stage_two=replace(
            whole.stage_two,
            loop=LoopConfig(steps=2, log_every=1),
            optimizer=replace(whole.stage_two.optimizer, warmup_steps=1),
            batch_size=2,
            precision="float32",
        ),
        reference_factor=32,
        judging=Judging(num_images=10, num_steps=1, speeds=(1,), batch_size=10),
        workers=0,
    )


def _arm(config: CompressionConfig, factor: int, kind: Kind) -> Arm:
    side, labels, parameters = config.data.size // factor, config.num_classes, config.parameters
    if kind == "pixels":
        graph = denoiser(3, side, labels, parameters)
        return Arm(factor=1, kind=kind, side=side, autoencoder=None, stage_one=None, denoiser=graph)
    channels = LATENT_CHANNELS[kind][factor]
    autoencoder = AutoencoderConfig(
        channels=config.widths[: factor.bit_length() - 1],
        num_res_blocks=1,
        middle_attention=False,
        latent_channels=channels,
        fold=2,
        codebook_size=config.codebook_size if kind == "vq" else None,
    )
    stage_one = config.stage_one
    if kind == "vq":
        # so that what a latent is charged counts as much beside its pixels for every f, as in the paper
        weight = 3.0 * factor**2 / channels
        stage_one = replace(stage_one, loss=replace(stage_one.loss, penalty_weight=weight))
    graph = denoiser(channels, side, labels, parameters)
    return Arm(factor=factor, kind=kind, side=side, autoencoder=autoencoder, stage_one=stage_one, denoiser=graph)
