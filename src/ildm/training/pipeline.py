"""A whole run: stage one, latents, stage two, model. Every part is skipped when it is done, so the same command goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image as PILImage

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.assembly import conditioner_to_json
from ildm.checkpoint.first_stage import load_autoencoder, save_autoencoder
from ildm.checkpoint.native import save_native
from ildm.conditioning.prompt import escape
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.core.config import to_json
from ildm.core.device import describe
from ildm.core.errors import ConfigError
from ildm.core.files import atomic_file
from ildm.core.manifest import LatentSpaceFields, Manifest
from ildm.core.picture import paste_grid, to_floats
from ildm.core.progress import steps_bar
from ildm.core.types import Image, Latent
from ildm.data.latents import LatentCache, encode_dataset
from ildm.data.loader import batches
from ildm.data.opening import open_dataset
from ildm.data.sample import ImageDataset
from ildm.data.transforms import RandomCrop
from ildm.denoiser.unet import UNet
from ildm.model import Model
from ildm.training.journal import Journal
from ildm.training.loop import train
from ildm.training.precision import autocast
from ildm.training.recipe import Recipe
from ildm.training.run_folder import claim
from ildm.training.run_state import RunState
from ildm.training.stage_one import StageOne
from ildm.training.stage_two import CaptionedLatents, Networks, StageTwo
from ildm.training.stopping import Stop

STATISTICS_BATCHES, PREVIEW_IMAGES, SHEET_PROMPTS = 32, 8, 16


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
    """

    recipe: Recipe
    folder: Path
    device: torch.device
    stop: Stop
    initial: Model | None = None

    def __call__(self) -> Path | None:
        """Train what is left to train.

        Returns:
            The finished (or, when stopped in stage two, the current) model's folder; None when stopped before there is one.

        Raises:
            ConfigError: when the folder belongs to a run with another configuration.
        """
        dataset = open_dataset(self.recipe.data)
        self._check_initial()
        claim(self.folder, self.recipe)
        autoencoder = self._first_stage(dataset)
        if autoencoder is None or self.stop.reason is not None:
            return None
        if self.recipe.stage_two.loop.steps == 0:
            self._keep_denoiser(autoencoder)
            return self.model_folder
        cache = self._latents(dataset, autoencoder)
        if cache is None:
            return None
        self._second_stage(dataset, autoencoder, cache)
        return self.model_folder

    @property
    def model_folder(self) -> Path:
        """Where the model is exported."""
        return self.folder / "model"

    def _check_initial(self) -> None:
        """See that there is one where the recipe needs one, and that it fits."""
        one, two = self.recipe.stage_one, self.recipe.stage_two
        if self.initial is None:
            for key, needs, what in (
                ("stage_one.loop.steps is 0", one.loop.steps == 0, "autoencoder"),
                ("stage_one.decoder_only is set", one.decoder_only, "encoder"),
                ("stage_two.loop.steps is 0", two.loop.steps == 0, "denoiser"),
            ):
                if needs:
                    raise ConfigError(f"{key}, so there is no {what}: give one with --init-from MODEL.")
        elif to_json(self.initial.autoencoder.config) != to_json(self.recipe.autoencoder):
            raise ConfigError(
                f"The autoencoder of {self.initial.manifest.name!r} has another graph than the recipe's: "
                "take the recipe it was trained by, or train without --init-from."
            )
        elif one.decoder_only and one.loop.steps == 0:
            raise ConfigError("stage_one.decoder_only trains the decoder, but stage_one.loop.steps is 0: give it some.")

    # --- stage one -------------------------------------------------------------------------------------------------

    def _first_stage(self, dataset: ImageDataset) -> Autoencoder | None:
        folder = self.folder / "autoencoder"
        if folder.is_dir():
            return load_autoencoder(folder).to(self.device)
        config, stage = self.recipe.stage_one, self.folder / "stage_one"
        if self.initial is not None and not config.decoder_only:
            save_autoencoder(self.initial.autoencoder, folder)
            return load_autoencoder(folder).to(self.device)
        torch.manual_seed(config.seed)
        autoencoder = Autoencoder(self.recipe.autoencoder).to(self.device)
        if self.initial is not None:
            autoencoder.load_state_dict({key: value.float() for key, value in self.initial.autoencoder.state_dict().items()})
            autoencoder.latent_space = self.initial.autoencoder.latent_space
        preview = torch.stack([_image(dataset, index) for index in range(min(PREVIEW_IMAGES, len(dataset)))])
        task = StageOne(config, autoencoder, lambda position: self._images(dataset, position), preview)
        with Journal(stage, "autoencoder", config.loop.steps) as journal:
            state = train(task, config.loop, stage, journal=journal, stop=self.stop)
        if state.step < config.loop.steps:
            return None
        finished = task.ema.shadow
        if not config.decoder_only:
            finished.fit_latent_space([batch.to(self.device) for batch in self._whole_images(dataset)])
        save_autoencoder(finished, folder)
        return load_autoencoder(folder).to(self.device)

    def _images(self, dataset: ImageDataset, position: int) -> Iterator[Image]:
        config = self.recipe.stage_one
        transform = None if config.crop is None else RandomCrop(config.crop)
        stream = batches(
            dataset, config.batch_size, seed=config.seed, start=position, workers=self.recipe.workers, transform=transform
        )
        return (batch.images for batch in stream)

    def _whole_images(self, dataset: ImageDataset) -> Iterator[Image]:
        stream = batches(dataset, self.recipe.stage_one.batch_size, seed=self.recipe.stage_one.seed + 1)
        return (next(stream).images for _ in range(STATISTICS_BATCHES))

    # --- latents ---------------------------------------------------------------------------------------------------

    def _latents(self, dataset: ImageDataset, autoencoder: Autoencoder) -> LatentCache | None:
        fingerprint, folder = autoencoder.encoder_fingerprint(), self.folder / "latents"

        @torch.inference_mode()
        def encode(images: Image) -> Latent:
            with autocast(self.recipe.stage_one.precision, self.device):
                return autoencoder.encode(images.to(self.device)).float()

        def progress(done: int, total: int) -> None:
            bar(done, total)
            if self.stop.reason is not None and done < total:
                raise _StoppedError

        try:
            with steps_bar("encoding") as bar:
                limit, workers = self.recipe.num_latents or None, self.recipe.workers
                encode_dataset(dataset, encode, fingerprint, folder, limit=limit, workers=workers, progress=progress)
        except _StoppedError:
            return None
        return LatentCache(folder, fingerprint)

    # --- stage two -------------------------------------------------------------------------------------------------

    def _second_stage(self, dataset: ImageDataset, autoencoder: Autoencoder, cache: LatentCache) -> RunState:
        config, stage = self.recipe.stage_two, self.folder / "stage_two"
        networks = self._networks(cache)

        def stream(position: int) -> Iterator[CaptionedLatents]:
            stream = cache.batches(config.batch_size, seed=config.seed, start=position)
            return (CaptionedLatents(batch.latents, batch.captions, batch.maps) for batch in stream)

        captions = (escape(dataset[index].captions[0]) for index in range(min(SHEET_PROMPTS, len(dataset))))
        prompts = list(self.recipe.prompts or captions)

        def draw(averaged: Networks) -> PILImage.Image:
            model = self._model(averaged, autoencoder)
            if model.conditioner is None:
                return paste_grid(model.generate(seed=list(range(SHEET_PROMPTS))), columns=8, gap=4)
            return paste_grid(model.generate(prompts, seed=list(range(len(prompts)))), columns=8, gap=4)

        def export(averaged: Networks, state: RunState) -> None:
            save_native(self._model(averaged, autoencoder, state), self.model_folder, dtype=torch.float16)

        task = StageTwo(config, networks, stream, draw, export, num_classes=len(cache.classes) if config.alignment else 0)
        with Journal(stage, "denoiser", config.loop.steps) as journal:
            return train(task, config.loop, stage, journal=journal, stop=self.stop)

    def _keep_denoiser(self, autoencoder: Autoencoder) -> None:
        """A model with the initial one's denoiser: all there is to do where stage two has no steps."""
        save_native(self._model(self._networks(None), autoencoder), self.model_folder, dtype=torch.float16)

    def _networks(self, cache: LatentCache | None) -> Networks:
        torch.manual_seed(self.recipe.stage_two.seed)
        text, conditioner = self.recipe.text, None
        if text is not None:
            initial = None if self.initial is None else self.initial.conditioner
            if self.initial is not None and not isinstance(initial, TextConditioner):
                raise ConfigError(
                    f"The text encoder of {self.initial.manifest.name!r} is of another kind than the recipe's: "
                    "begin with a model that was trained by this program."
                )
            if isinstance(initial, TextConditioner):
                tokenizer = initial.tokenizer
            else:
                assert cache is not None
                tokenizer = self._tokenizer(cache)
            conditioner = TextConditioner(text, tokenizer)
        networks = Networks(UNet(self.recipe.denoiser), conditioner).to(self.device)
        if self.initial is not None:
            _copy_weights(Networks(self.initial.unet, self.initial.conditioner), networks, self.initial.manifest.name)
        return networks

    def _tokenizer(self, cache: LatentCache) -> Tokenizer:
        text, path = self.recipe.text, self.folder / "tokenizer.json"
        assert text is not None
        if not path.is_file():
            captions = (caption for index in range(len(cache)) for caption in cache.captions(index))
            trained = Tokenizer.train(captions, vocabulary_size=text.vocabulary_size, max_tokens=text.max_tokens)
            with atomic_file(path) as temporary:
                temporary.write_text(trained.to_json(), encoding="utf-8")
        return Tokenizer.from_file(path, text.max_tokens)

    def _model(self, networks: Networks, autoencoder: Autoencoder, state: RunState | None = None) -> Model:
        recipe, begun = self.recipe, None if self.initial is None else self.initial.manifest
        size = getattr(recipe.data, "size", 0)
        space = autoencoder.latent_space
        manifest = Manifest(
            name=recipe.name,
            summary=recipe.summary,
            # weights that were begun with another model's stay under its licence, too
            licence=recipe.licence or begun.licence if begun else recipe.licence,
            attribution=" ".join(
                dict.fromkeys(text for text in (recipe.attribution, begun.attribution if begun else "") if text)
            ),
            image_size=(size, size),
            prediction=recipe.stage_two.prediction,
            path=to_json(recipe.stage_two.path),
            latent_space=LatentSpaceFields(channels=space.channels, stride=space.stride, scale=space.scale, shift=space.shift),
            autoencoder=to_json(autoencoder.config),
            denoiser=to_json(networks.unet.config),
            conditioner=None if networks.conditioner is None else conditioner_to_json(networks.conditioner),
            defaults=recipe.sampling.defaults(),
            concepts=tuple(getattr(recipe.data, "concepts", None) or ()),
            training={
                "recipe": to_json(recipe),
                "device": describe(self.device),
                "stage_two_steps": 0 if state is None else state.step,
                "stage_two_hours": 0.0 if state is None else round(state.seconds / 3600, 3),
                "started_from": None if begun is None else begun.name,
                "started_with": None
                if begun is None
                else {key: value for key, value in begun.training.items() if key != "started_with"},
            },
        )
        return Model(manifest, autoencoder, networks.unet, networks.conditioner, recipe.stage_two.path)


class _StoppedError(Exception):
    """Leaves the encoder between two batches."""


def _image(dataset: ImageDataset, index: int) -> torch.Tensor:
    return to_floats(dataset[index].image[None])[0]


def _copy_weights(source: Networks, target: Networks, name: str) -> None:
    try:
        target.load_state_dict({key: value.float() for key, value in source.state_dict().items()})
    except RuntimeError as error:
        raise ConfigError(
            f"The networks of {name!r} have another graph than the recipe's: take the recipe it was trained by, "
            "or train without --init-from."
        ) from error
