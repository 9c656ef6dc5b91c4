"""What previews are fitted to: latents as a run shows them, and what the model's own decoder makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ildm.conditioning.label import LabelConditioner
from ildm.conditioning.prompt import escape
from ildm.core.config import from_json
from ildm.core.errors import ConfigError, DataError
from ildm.core.picture import to_floats
from ildm.core.progress import NamedProgress
from ildm.core.randomness import START_STREAM, generator, sample_noise
from ildm.core.types import Image, Latent
from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.data.fitting import Fitting
from ildm.data.folder import ImageFolderConfig
from ildm.data.opening import open_dataset
from ildm.data.picture import RefusedFile, read_colour, read_picture
from ildm.data.sample import ImageDataset
from ildm.denoiser.guidance import GuidedUnder
from ildm.diffusion.path import add_noise
from ildm.model import Model

CELLS = 2**17
"""Latent cells that are gathered unless told otherwise: 512 images of 16x16 cells, 32 of 64x64."""
FEWEST, MOST = 16, 512
_AT_ONCE = 8
_EARLIEST = 0.02  # the time from which estimates are taken: before, they are the data
_WHITE = read_colour("white")


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Latents and their pictures.

    Args:
        latents: normalised, (count, channels, h, w), float32: every other one is a data estimate out of a run, as previews meet them.
        images: the model's decoder's, (count, 3, height, width), in [-1, 1].
        origin: where the latents came from, in words.
    """

    latents: Latent
    images: Image
    origin: str

    def __post_init__(self) -> None:
        assert len(self.latents) == len(self.images)

    def split(self, held_out: int) -> tuple[Samples, Samples]:
        """All but the last so many, and those."""
        return (
            replace(self, latents=self.latents[:-held_out], images=self.images[:-held_out]),
            replace(self, latents=self.latents[-held_out:], images=self.images[-held_out:]),
        )


def usual_count(model: Model) -> int:
    """How many images are enough for a fit at the model's native size."""
    _, height, width = model.autoencoder.latent_space.grid(*model.image_size)
    return min(MOST, max(FEWEST, CELLS // (height * width)))


@torch.no_grad()
def gather(model: Model, count: int, *, folder: Path | None = None, progress: NamedProgress | None = None) -> Samples:
    """Latents of a folder of images, else of the data that the model was trained on where it is at hand, else drawn by the model.

    Args:
        count: how many, >= 1; a folder may hold fewer.
        folder: of images of any size; files that are none are passed over.
        progress: called with what is being done, how many are done and how many there are.

    Raises:
        ConfigError: for a count below 1.
        DataError: when the folder holds no image.
    """
    if count < 1:
        raise ConfigError(f"A preview is fitted to one image or more, but {count} were asked for.")
    tell: NamedProgress = progress or (lambda _what, _done, _total: None)
    dataset = None if folder is not None else _own_data(model)
    if folder is not None:
        images = _read_folder(folder, model, count)
        prompts, origin = _plain_prompts(model, range(len(images))), f"the images in {folder}"
        latents = _encoded(model, images, prompts, tell)
    elif dataset is not None:
        chosen = range(0, len(dataset), max(1, len(dataset) // count))[:count]  # spread over all of it
        samples = [dataset[index] for index in chosen]
        images = to_floats(torch.stack([sample.image for sample in samples]))
        captions, origin = [sample.captions[0] for sample in samples], "the model's own data"
        prompts = _plain_prompts(model, chosen) if model.conditioner is None else captions
        latents = _encoded(model, images, prompts, tell)
    else:
        latents, origin = _drawn(model, count, tell), "what the model draws"
    decoded: list[Tensor] = []
    for part in latents.split(_AT_ONCE):
        decoded.append(model.decode(part))
        tell("decoding", _AT_ONCE * (len(decoded) - 1) + len(part), len(latents))
    # copies, because what was made in inference mode cannot be learnt from
    return Samples(latents=latents.clone(), images=torch.cat(decoded).clone(), origin=origin)


def _own_data(model: Model) -> ImageDataset | None:
    """The data of the recipe that made the model; None where it is not known or not at hand."""
    recipe: Any = model.manifest.training.get("recipe")
    fields: Any = recipe.get("data") if isinstance(recipe, dict) else None
    kinds = {"emoji-scenes": EmojiScenesConfig, "image-folder": ImageFolderConfig}
    if not isinstance(fields, dict) or fields.get("kind") not in kinds:
        return None
    try:
        dataset = open_dataset(from_json(kinds[fields["kind"]], fields, where="data"))
        return dataset if dataset[0].image.shape[-2:] == model.image_size[::-1] else None
    except (ConfigError, DataError):
        return None


def _read_folder(folder: Path, model: Model, count: int) -> Image:
    """Up to `count` images of a folder, as squares that the model can encode."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: give one that holds images.")
    stride = model.autoencoder.config.stride
    side = max(stride, min(model.image_size) // stride * stride)
    pixels: list[Tensor] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if len(pixels) == count:
            break
        try:
            picture = read_picture(path, _WHITE)
        except RefusedFile:
            continue
        square = Fitting(width=picture.width, height=picture.height, size=side).picture(picture, _WHITE)
        pixels.append(torch.from_numpy(np.array(square)).permute(2, 0, 1))
    if not pixels:
        raise DataError(f"{folder} holds no image that can be read: give a folder of pictures.")
    return to_floats(torch.stack(pixels))


def _encoded(model: Model, images: Image, prompts: Sequence[str], tell: NamedProgress) -> Latent:
    """Latents of images; every other one noised and denoised once, at a random time and under its prompt."""
    random = generator(0, START_STREAM)
    latents: list[Tensor] = []
    for start in range(0, len(images), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        data = model.encode(images[part].to(model.device))
        seen, names = data[::2], list(prompts[part])[::2]
        times = torch.rand(len(seen), generator=random, dtype=torch.float64) * (1.0 - _EARLIEST) + _EARLIEST
        noise = sample_noise(range(start, start + len(seen)), START_STREAM, seen.shape[1:], device=seen.device)
        size = (images.shape[-1], images.shape[-2])
        data[::2] = _denoise(model, names, size)(add_noise(model.path, seen, noise, times), times)
        latents.append(data)
        tell("encoding", start + len(data), len(images))
    return torch.cat(latents)


def _drawn(model: Model, count: int, tell: NamedProgress) -> Latent:
    """Latents that the model draws without words; of every other run, an estimate on the way."""
    solver, shape = model.sampler(), model.autoencoder.latent_space.grid(*model.image_size)
    latents: list[Tensor] = []
    for start in range(0, count, _AT_ONCE):
        seeds = list(range(start, min(start + _AT_ONCE, count)))
        denoise = _denoise(model, _plain_prompts(model, seeds), model.image_size)
        noise = sample_noise(seeds, START_STREAM, shape, device=model.device)
        state = solver.init(noise, model.schedule(manner=solver.manner), seeds)
        num_steps = state.schedule.num_steps
        taken_at = torch.randint(1, num_steps + 1, (len(seeds),), generator=generator(start, START_STREAM))
        taken_at[1::2] = num_steps
        taken = torch.zeros_like(noise)
        while not state.done:
            state = solver.step(state, denoise)
            assert state.estimate is not None
            here = taken_at == state.step
            taken[here] = (state.latent if state.done else state.estimate)[here]
        latents.append(taken)
        tell("drawing", start + len(seeds), count)
    return torch.cat(latents)


def _denoise(model: Model, prompts: Sequence[str], size: tuple[int, int]) -> GuidedUnder:
    """The model under its usual guidance."""
    positive = model.condition([escape(prompt) for prompt in prompts], size)  # captions have no syntax
    unguided = model.is_told_guidance or model.manifest.defaults.guidance_scale == 1.0
    negative = positive if unguided else model.condition([""] * len(prompts), size)
    beside = model.unshown(size, len(prompts))
    return model.guide.guided(negative.beside(beside.hidden)).under(positive.beside(beside.shown))


def _plain_prompts(model: Model, seeds: Sequence[int]) -> list[str]:
    """What stands for no words: nothing, or a class each where a model draws classes."""
    if isinstance(model.conditioner, LabelConditioner):
        return [str(seed % model.conditioner.config.count) for seed in seeds]
    return [""] * len(seeds)
