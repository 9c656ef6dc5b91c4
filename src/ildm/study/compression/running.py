"""One arm of the study in its folder: trained as far as asked, and gone on with wherever it stopped.

autoencoder/ or pixels.json    the finished first stage
stage_one/, stage_two/         training states and records
latents/                       the data, encoded
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as PILImage

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.first_stage import load_autoencoder, save_autoencoder
from ildm.core.errors import DataError
from ildm.core.picture import to_floats
from ildm.core.types import Conditioning, Image, Latent
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.encoding import Told
from ildm.data.latents import LatentCache
from ildm.data.loader import batches
from ildm.data.transforms import RandomCrop
from ildm.denoiser.unet import UNet
from ildm.study.compression.config import Arm, CompressionConfig
from ildm.study.compression.measuring import Classes
from ildm.study.compression.pixels import FirstStage, Pixels
from ildm.training.denoising import CaptionedLatents, Networks
from ildm.training.encoding import encode_until_stopped
from ildm.training.journal import Journal
from ildm.training.loop import LoopConfig, train
from ildm.training.run_state import RunState, load_state
from ildm.training.stage_one import StageOne
from ildm.training.stage_two import StageTwo
from ildm.training.stopping import Stop

_STATISTICS_BATCHES, _PREVIEW = 32, 8


class ClassNetworks(Networks):
    """A denoiser that is told the number of a class, written as a caption."""

    def __init__(self, unet: UNet) -> None:
        super().__init__(unet, None)

    def condition(self, captions: Sequence[str], features: object | None = None) -> Conditioning:  # noqa: ARG002
        """The classes of a batch."""
        return Conditioning(label=torch.tensor([int(caption) for caption in captions], device=self.unet.conv_in.weight.device))


@dataclass(frozen=True)
class Trained:
    """A denoiser at one moment of its training.

    Args:
        unet: with averaged weights.
        seconds: trained so far.
    """

    unet: UNet
    seconds: float


@dataclass(frozen=True)
class ArmRun:
    """An arm at work in a folder.

    Args:
        device: to train on.
        stop: asked between steps.
    """

    arm: Arm
    config: CompressionConfig
    dataset: EmojiScenes
    folder: Path
    device: torch.device
    stop: Stop

    # --- stage one -------------------------------------------------------------------------------------------------

    def first_stage(self) -> FirstStage | None:
        """The first stage, trained if it is not yet; None when stopped before it was."""
        if self.arm.autoencoder is None:
            return self._pixels()
        finished = self.folder / "autoencoder"
        if finished.is_dir():
            return load_autoencoder(finished).to(self.device)
        config, stage = self.arm.stage_one, self.folder / "stage_one"
        assert config is not None
        torch.manual_seed(config.seed)
        autoencoder = Autoencoder(self.arm.autoencoder).to(self.device)
        preview = torch.stack([to_floats(self.dataset[index].image[None])[0] for index in range(_PREVIEW)])
        task = StageOne(config, autoencoder, self._images, preview)
        with Journal(stage, f"{self.arm.name}: autoencoder", config.loop.steps) as journal:
            state = train(task, config.loop, stage, journal=journal, stop=self.stop)
        if state.step < config.loop.steps:
            return None
        trained = task.ema.shadow
        trained.fit_latent_space([batch.to(self.device) for batch in self._whole_images()])
        save_autoencoder(trained, finished)
        return load_autoencoder(finished).to(self.device)

    @property
    def first_stage_seconds(self) -> float:
        """Spent training the first stage so far."""
        state = load_state(self.folder / "stage_one")
        return 0.0 if state is None else state.seconds

    def _pixels(self) -> Pixels:
        path = self.folder / "pixels.json"
        if not path.is_file():
            Pixels.fitted(list(self._whole_images())).save(path)
        return Pixels.load(path)

    def _images(self, position: int) -> Iterator[Image]:
        config = self.arm.stage_one
        assert config is not None
        transform = None if config.crop is None else RandomCrop(config.crop)
        stream = batches(
            self.dataset, config.batch_size, seed=config.seed, start=position, workers=self.config.workers, transform=transform
        )
        return (batch.images for batch in stream)

    def _whole_images(self) -> Iterator[Image]:
        config = self.config.stage_one
        stream = batches(self.dataset, config.batch_size, seed=config.seed + 1)
        return (next(stream).images for _ in range(_STATISTICS_BATCHES))

    # --- latents ---------------------------------------------------------------------------------------------------

    def latents(self, first: FirstStage) -> LatentCache | None:
        """The data in the latents of a first stage, encoded where they are not yet; None when stopped before all were."""
        fingerprint, folder = first.encoder_fingerprint(), self.folder / "latents"

        @torch.inference_mode()
        def encode(images: Image) -> Latent:
            # the statistics that the latents are normalised by were taken in full precision, and so are they
            return first.encode(images.to(self.device)).float()

        told, title, workers = (
            Told(wordings=Classes(self.dataset), name="class"),
            f"{self.arm.name}: encoding",
            self.config.workers,
        )
        if not encode_until_stopped(
            self.dataset, encode, fingerprint, folder, self.stop, title=title, workers=workers, told=told
        ):
            return None
        return LatentCache(folder, fingerprint)

    # --- stage two -------------------------------------------------------------------------------------------------

    def train_to(self, step: int, cache: LatentCache) -> Trained | None:
        """The denoiser after `step` steps, of which those that are done are not done again; None when stopped before.

        Raises:
            DataError: when it was trained beyond that step, which cannot be undone.
        """
        config, stage = self.config.stage_two, self.folder / "stage_two"
        torch.manual_seed(config.seed)
        networks = ClassNetworks(UNet(self.arm.denoiser)).to(self.device)

        def stream(position: int) -> Iterator[CaptionedLatents]:
            found = cache.batches(config.batch_size, seed=config.seed, start=position)
            return (CaptionedLatents(batch.latents, batch.captions) for batch in found)

        task = StageTwo(config, networks, stream, _no_sheet, _no_export)
        loop = LoopConfig(steps=step, log_every=config.loop.log_every, save_every=config.loop.save_every)
        with Journal(stage, f"{self.arm.name}: denoiser", step) as journal:
            state = train(task, loop, stage, journal=journal, stop=self.stop)
        if state.step > step:
            raise DataError(
                f"The denoiser in {stage} is past step {step}, at which it is to be judged: remove that folder to train it again."
            )
        return None if state.step < step else Trained(task.ema.shadow.unet, state.seconds)


def _no_sheet(networks: Networks) -> PILImage.Image | None:  # noqa: ARG001
    """Samples are drawn where they are judged."""
    return None


def _no_export(networks: Networks, state: RunState) -> None:
    """An arm is no model to hand out."""
