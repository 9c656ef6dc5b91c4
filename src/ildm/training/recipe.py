"""A complete run as one value: data, both stages, and what the finished model is called."""

from __future__ import annotations

from dataclasses import dataclass

from ildm.autoencoder.config import AutoencoderConfig
from ildm.conditioning.text import TextEncoderConfig
from ildm.core.manifest import Defaults
from ildm.data.opening import DataConfig
from ildm.denoiser.config import UNetConfig
from ildm.training.stage_one import StageOneConfig
from ildm.training.stage_two import StageTwoConfig


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the finished model draws by default; see `ildm.core.manifest.Defaults`."""

    num_steps: int = 25
    guidance_scale: float = 3.0
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    sampler: str = "dpmpp-2m"

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
    """A run configuration; everything in it can be overridden by `--set`.

    Args:
        name: of the recipe, and of its run and model unless `--name` says otherwise.
        summary: one line for the model's manifest.
        data: what to train on.
        autoencoder: stage one's graph.
        stage_one: its training; 0 steps need `--init-from`.
        denoiser: stage two's graph. Its latent channels and context width follow from the other parts.
        text: the text encoder's graph; None = unconditional.
        stage_two: the training of both.
        sampling: defaults of the finished model.
        num_latents: how many samples of the data are encoded for stage two; 0 = all.
        prompts: of the sample sheets; empty = captions of the data.
        workers: processes that prepare images for stage one.
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
    sampling: Sampling = Sampling()
    num_latents: int = 0
    prompts: tuple[str, ...] = ()
    workers: int = 1
    licence: str = ""
    attribution: str = ""
