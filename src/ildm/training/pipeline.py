"""A whole run: stage one, latents, stage two, model. Every part is skipped when it is done, so the same command goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image as PILImage

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.deepening import take_weights
from ildm.checkpoint.first_stage import load_autoencoder, save_autoencoder
from ildm.checkpoint.load import load
from ildm.checkpoint.native import save_native
from ildm.core.config import to_json
from ildm.core.errors import ConfigError
from ildm.core.picture import to_floats
from ildm.core.types import Image, Latent
from ildm.data.latents import LatentCache
from ildm.data.loader import batches
from ildm.data.mentions import mentions_of
from ildm.data.opening import open_dataset
from ildm.data.sample import ImageDataset
from ildm.data.transforms import RandomCrop
from ildm.model import Model
from ildm.training.denoising import CaptionedLatents, Networks
from ildm.training.encoding import encode_until_stopped
from ildm.training.grounding import grounds
from ildm.training.in_places import InPlaces
from ildm.training.journal import Journal, Silence
from ildm.training.loop import train
from ildm.training.making import make_model, make_networks
from ildm.training.precision import autocast
from ildm.training.prerequisites import check_data, check_discriminator, check_initial
from ildm.training.recipe import Recipe
from ildm.training.run_folder import RECIPE, claim, held
from ildm.training.run_state import RunState
from ildm.training.sheet import Sheet
from ildm.training.stage_one import StageOne
from ildm.training.stage_two import StageTwo
from ildm.training.stopping import Stop
from ildm.training.world import ALONE, World

STATISTICS_BATCHES, PREVIEW_IMAGES = 32, 8


@dataclass(frozen=True)
class Run:
    """A recipe at work in a folder.

    Args:
        recipe: resolved, overrides included.
        folder: of the run; its state, samples and model are kept there.
        device: to train on.
        stop: asked between steps.
        initial: a model whose weights both stages start from; its autoencoder is taken as it is, unless stage one is for the
            decoder only.
        world: the processes that train together; what is on the disk the first one writes and all read.
        latents: the folder of the encoded data, for runs that share it; None = one in the run's own.
        until: leave stage two after this step, with the model so far; the next call goes on. None = to its end.
    """

    recipe: Recipe
    folder: Path
    device: torch.device
    stop: Stop
    initial: Model | None = None
    world: World = ALONE
    latents: Path | None = None
    until: int | None = None

    def __call__(self) -> Path | None:
        """Train what is left to train.

        Returns:
            The finished (or, when stopped in stage two, the current) model's folder; None when stopped before there is one.

        Raises:
            ConfigError: when the folder belongs to a run with another configuration, batches cannot be shared out, or the
                discriminator would never act.
            DataError: when the data lacks what the model is to be told.
        """
        dataset = open_dataset(self.recipe.data)
        check_initial(self.recipe, self.initial)
        check_discriminator(self.recipe, self.initial, has_begun=self.world.once((self.folder / RECIPE).exists))
        self.world.check("stage_one.batch_size", self.recipe.stage_one.batch_size)
        self.world.check("stage_two.batch_size", self.recipe.stage_two.batch_size)
        # before anything is trained: data may lack what the model is to be told
        settled = replace(self, recipe=self.recipe.settled(dataset))
        check_data(settled.recipe, dataset, self.initial)
        with ExitStack() as stack:
            self.world.once(lambda: self._take(dataset, stack))
            return settled._train(dataset)

    @property
    def model_folder(self) -> Path:
        """Where the model is exported."""
        return self.folder / "model"

    def _take(self, dataset: ImageDataset, stack: ExitStack) -> None:
        """Have the folder to ourselves before anything is written there."""
        stack.enter_context(held(self.folder))
        claim(self.folder, self.recipe, dataset, self.initial)

    def _train(self, dataset: ImageDataset) -> Path | None:
        autoencoder = self._first_stage(dataset)
        if autoencoder is None or self.world.agree(self.stop.reason) is not None:
            return None
        if self.recipe.stage_two.loop.steps == 0:
            self._keep_denoiser(autoencoder)
            return self.model_folder
        cache = self._latents(dataset, autoencoder)
        if cache is None:
            return None
        self._second_stage(dataset, autoencoder, cache)
        return self.model_folder

    # --- stage one -------------------------------------------------------------------------------------------------

    def _first_stage(self, dataset: ImageDataset) -> Autoencoder | None:
        folder = self.folder / "autoencoder"
        if self.world.once(folder.is_dir):
            return load_autoencoder(folder).to(self.device)
        config, stage = self.recipe.stage_one, self.folder / "stage_one"
        given = self._given_autoencoder()
        if given is not None:
            self.world.once(lambda: save_autoencoder(given, folder))
            return load_autoencoder(folder).to(self.device)
        torch.manual_seed(config.seed)
        autoencoder = Autoencoder(self.recipe.autoencoder).to(self.device)
        if self.initial is not None:
            take_weights(autoencoder, self.initial.autoencoder)
        preview = torch.stack([_image(dataset, index) for index in range(min(PREVIEW_IMAGES, len(dataset)))])
        task = StageOne(config, autoencoder, lambda position: self._images(dataset, position), preview, self.world)
        with self._journal(stage, "autoencoder", config.loop.steps) as journal:
            state = train(task, config.loop, stage, journal=journal, stop=self.stop, world=self.world)
        if state.step < config.loop.steps:
            return None
        finished = task.ema.shadow
        if not config.decoder_only:
            images = [batch.to(self.device) for batch in self._whole_images(dataset)]
            finished.fit_latent_space(images, self.world.gather)
        self.world.once(lambda: save_autoencoder(finished, folder))
        return load_autoencoder(folder).to(self.device)

    def _given_autoencoder(self) -> Autoencoder | None:
        """The one that is taken as it is; None where one is trained.

        Raises:
            ConfigError: when the recipe was written for another graph.
        """
        if self.recipe.first_stage:
            model = load(self.recipe.first_stage, device="cpu", dtype="float32")
            if to_json(model.autoencoder.config) != to_json(self.recipe.autoencoder):
                raise ConfigError(
                    f"The autoencoder of first_stage={self.recipe.first_stage} has another graph than the recipe's: take the one of the "
                    "recipe that it was trained by, or train one with first_stage=."
                )
            return model.autoencoder
        if self.initial is not None and not self.recipe.stage_one.decoder_only:
            return self.initial.autoencoder
        return None

    def _images(self, dataset: ImageDataset, position: int) -> Iterator[Image]:
        config = self.recipe.stage_one
        stream = batches(
            dataset,
            config.batch_size,
            seed=config.seed,
            start=position,
            workers=self.recipe.workers,
            transform=None if config.crop is None else RandomCrop(config.crop),
            share=self.world.share,
        )
        return (batch.images for batch in stream)

    def _whole_images(self, dataset: ImageDataset) -> Iterator[Image]:
        config = self.recipe.stage_one
        stream = batches(dataset, config.batch_size, seed=config.seed + 1, share=self.world.share)
        return (next(stream).images for _ in range(STATISTICS_BATCHES))

    # --- latents ---------------------------------------------------------------------------------------------------

    def _latents(self, dataset: ImageDataset, autoencoder: Autoencoder) -> LatentCache | None:
        fingerprint, folder = autoencoder.encoder_fingerprint(), self.latents or self.folder / "latents"

        @torch.inference_mode()
        def encode(images: Image) -> Latent:
            with autocast(self.recipe.stage_one.precision, self.device):
                return autoencoder.encode(images.to(self.device)).float()

        def encode_all() -> bool:
            limit, workers, told = self.recipe.num_latents or None, self.recipe.workers, self.recipe.condition.told(encode)
            return encode_until_stopped(
                dataset, encode, fingerprint, folder, self.stop, limit=limit, workers=workers, told=told
            )

        return LatentCache(folder, fingerprint) if self.world.once(encode_all) else None

    # --- stage two -------------------------------------------------------------------------------------------------

    def _second_stage(self, dataset: ImageDataset, autoencoder: Autoencoder, cache: LatentCache) -> RunState:
        config, stage = self.recipe.stage_two, self.folder / "stage_two"
        # the first process keeps the vocabulary that the others read
        networks = self.world.after_first(lambda: make_networks(self.recipe, self.folder, cache, self.initial)).to(self.device)

        def stream(position: int) -> Iterator[CaptionedLatents]:
            stream = cache.batches(config.batch_size, seed=config.seed, start=position, share=self.world.share)
            return (CaptionedLatents(batch.latents, batch.captions, batch.maps, batch.features) for batch in stream)

        sheet = Sheet(self.recipe, dataset, cache)

        def draw(averaged: Networks) -> PILImage.Image:
            return sheet.draw(make_model(self.recipe, averaged, autoencoder, self.initial))

        def export(averaged: Networks, state: RunState) -> None:
            model = make_model(self.recipe, averaged, autoencoder, self.initial, state, self.world.share.count)
            save_native(model, self.model_folder, dtype=torch.float16, shared=self.recipe.first_stage or None)

        classes = len(cache.classes) if config.alignment else 0
        mentions = mentions_of(dataset, cache.classes.tolist())
        ground, in_places = grounds(networks.conditioner, mentions), None if mentions is None else InPlaces(mentions)
        task = StageTwo(config, networks, stream, draw, export, classes, ground, in_places, self.world)
        loop = config.loop if self.until is None else replace(config.loop, steps=min(self.until, config.loop.steps))
        with self._journal(stage, "denoiser", loop.steps) as journal:
            return train(task, loop, stage, journal=journal, stop=self.stop, world=self.world)

    def _keep_denoiser(self, autoencoder: Autoencoder) -> None:
        """A model with the initial one's denoiser: all there is to do where stage two has no steps."""
        networks = make_networks(self.recipe, self.folder, None, self.initial).to(self.device)
        model = make_model(self.recipe, networks, autoencoder, self.initial)

        def save() -> None:
            save_native(model, self.model_folder, dtype=torch.float16, shared=self.recipe.first_stage or None)

        self.world.once(save)

    def _journal(self, stage: Path, title: str, num_steps: int) -> Journal:
        return Journal(stage, title, num_steps) if self.world.is_first else Silence()


def _image(dataset: ImageDataset, index: int) -> torch.Tensor:
    return to_floats(dataset[index].image[None])[0]
