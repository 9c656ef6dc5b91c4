"""A complete run as one value: data, both stages, and what the finished model is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from ildm.autoencoder.config import AutoencoderConfig
from ildm.conditioning.text import TextEncoderConfig
from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.core.manifest import Defaults
from ildm.core.names import check_name
from ildm.data.opening import DataConfig
from ildm.data.sample import ImageDataset
from ildm.denoiser.config import UNetConfig
from ildm.training.stage_one import StageOneConfig
from ildm.training.stage_two_config import StageTwoConfig
from ildm.training.told import Condition


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the finished model draws by default; see `ildm.core.manifest.Defaults`."""

    num_steps: int = 25
    guidance_scale: float = 3.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    sampler: str = "dpmpp-2m"

    def __post_init__(self) -> None:
        extensions.load("ildm.samplers", self.sampler)
        low, high = self.guidance_interval
        if self.num_steps < 1 or self.guidance_scale < 0 or not 0.0 <= low <= high <= 1.0:
            raise ConfigError(
                "Sampling takes num_steps of at least 1, a guidance_scale of at least 0 and an interval of rising times in [0, 1], but "
                f"{self.num_steps}, {self.guidance_scale} and {self.guidance_interval} were given."
            )

    def defaults(self) -> Defaults:
        """In the manifest's form."""
        return Defaults(
            num_steps=self.num_steps,
            guidance_scale=self.guidance_scale,
            guidance_interval=self.guidance_interval,
            sampler=self.sampler,
        )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A run configuration; everything in it but `DERIVED` can be overridden by `--set`.

    Args:
        name: of the recipe, and of its run and model unless `--name` says otherwise.
        summary: one line for the model's manifest.
        data: what to train on.
        autoencoder: stage one's graph.
        stage_one: its training; 0 steps need `--init-from`.
        denoiser: stage two's graph. What `DERIVED` names is filled in here from the other parts.
        text: the text encoder's graph; None = captions are not read.
        condition: what the model is told beside captions, or in their place.
        stage_two: the training of both.
        sampling: defaults of the finished model.
        num_latents: how many samples of the data are encoded for stage two; 0 = all.
        prompts: of the sample sheets; empty = captions of the data.
        workers: processes that prepare images for stage one.
        first_stage: name of a model whose autoencoder is taken and shared, so that stage one is left out; "" = train one.
        licence, attribution: for the manifest.
    """

    name: str
    summary: str
    data: DataConfig
    autoencoder: AutoencoderConfig
    stage_one: StageOneConfig
    denoiser: UNetConfig
    text: TextEncoderConfig | None
    stage_two: StageTwoConfig
    condition: Condition = field(default_factory=Condition)
    first_stage: str = ""
    sampling: Sampling = Sampling()
    num_latents: int = 0
    prompts: tuple[str, ...] = ()
    workers: int = 1
    licence: str = ""
    attribution: str = ""

    DERIVED: ClassVar[Mapping[str, str]] = {
        "denoiser.in_channels": "autoencoder.latent_channels",
        "denoiser.out_channels": "autoencoder.latent_channels",
        "denoiser.concat_channels": "condition.hint",
        "denoiser.context_width": "text.width or condition",
        "denoiser.pooled_width": "text.width and text.pooled, or condition",
        "denoiser.labels": "condition.classes",
        "condition.hint.stride": "autoencoder.channels and autoencoder.fold",
        "condition.hint.channels": "autoencoder.latent_channels",
        "condition.classes.names": "data",
        "condition.layout.names": "data",
        "condition.hint.names": "data",
    }
    """Keys that no one sets, and what they follow from."""

    def __post_init__(self) -> None:
        check_name(self.name, "a run")
        if self.workers < 0 or self.num_latents < 0:
            raise ConfigError(f"workers and num_latents are 0 or more, but {self.workers} and {self.num_latents} were given.")
        condition = self.condition.fitted(self.autoencoder.latent_channels, self.autoencoder.stride)
        object.__setattr__(self, "condition", condition)
        object.__setattr__(self, "denoiser", condition.fit(self.denoiser, self.text, self.autoencoder.latent_channels))
        self._check_sizes()

    def settled(self, dataset: ImageDataset) -> Recipe:
        """The same with the names that the data has, and a denoiser that fits them.

        Raises:
            DataError: when the data lacks what the model is to be told.
        """
        return replace(self, condition=self.condition.settled(dataset))

    def _check_sizes(self) -> None:
        """See that images, crops and latents can be halved as often as the networks halve them."""
        size, crop, stride = self.data.size, self.stage_one.crop, self.autoencoder.stride
        if crop is not None and (crop % stride or crop > size):
            raise ConfigError(
                f"stage_one.crop is a multiple of the autoencoder's stride {stride} and at most data.size {size}, but {crop} was given."
            )
        whole = stride * 2 ** (self.denoiser.levels - 1)
        if size % whole:
            raise ConfigError(
                f"data.size is a multiple of {whole} (the autoencoder's stride times what the U-Net halves), but {size} was given: "
                f"try {max(whole, round(size / whole) * whole)}."
            )
