"""The sets a model is evaluated on: scenes of each split as they are, scenes with one object, scenes with two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from ildm.conditioning.prompt import escape
from ildm.core.errors import ConfigError, DataError
from ildm.core.manifest import Manifest
from ildm.core.picture import to_bytes, to_floats
from ildm.core.progress import NamedProgress
from ildm.core.types import Image, Latent
from ildm.data.emoji_scenes import SIZES, EmojiScenes, EmojiScenesConfig
from ildm.data.layout import relation
from ildm.data.sample import Sample
from ildm.data.splits import SPLITS, Split
from ildm.evaluation.gallery import GalleryConfig, load_recogniser
from ildm.evaluation.images import Images, Pixels
from ildm.evaluation.metric import EvaluationSet, Kind
from ildm.evaluation.network import Lite0

# fixed, so that every model is asked the same and measured against the same
_PROMPT_SEED, _REFERENCE_SEED = 100, 101
_OBJECT_SEEDS: dict[Kind, int] = {"one object": 102, "two objects": 103}
_TRIES = 20


@runtime_checkable
class EvaluatedModel(Protocol):
    """What an evaluation needs of a model; `ildm.model.Model` is one."""

    manifest: Manifest

    @property
    def conditioner(self) -> object | None: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def image_size(self) -> tuple[int, int]: ...

    def encode(self, images: Tensor) -> Latent: ...

    def decode(self, latents: Latent) -> Tensor: ...

    def generate(
        self,
        prompt: str | Sequence[str] = "",
        *,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        seed: int | Sequence[int] | None = None,
    ) -> list[PILImage.Image]: ...


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the model is asked to draw; None = the default in its manifest.

    Args:
        seed: of the first image of every set; each further image adds 1.
        batch_size: images drawn at once.
    """

    num_steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None
    seed: int = 0
    batch_size: int = 16

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"The batch size must be 1 or more, but {self.batch_size} was given: take 16, say.")
        if self.num_steps is not None and self.num_steps < 1:
            raise ConfigError(f"A drawing takes 1 step or more, but {self.num_steps} was given: take 25, say.")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What to measure.

    Args:
        splits: of EmojiScenes; the first also lends the scenes with one and with two objects. None = all that have
            anything to show for the model's concepts.
        num_images: scenes of each split, for distances and reconstruction.
        num_probes: scenes with exactly one and with exactly two objects, for accuracies.
        metrics: registered names; None = all.
        drawing: how the model draws.
        sprites: see `EmojiScenesConfig`.
    """

    splits: tuple[Split, ...] | None = None
    num_images: int = 512
    num_probes: int = 384
    metrics: tuple[str, ...] | None = None
    drawing: Drawing = field(default_factory=Drawing)
    sprites: Literal["cache", "sample"] = "cache"

    def __post_init__(self) -> None:
        if self.splits == ():
            raise ConfigError(f"An evaluation needs at least one split, but none was given: take {', '.join(SPLITS)}.")
        for key, least in (("num_images", 10), ("num_probes", 1)):
            if getattr(self, key) < least:
                raise ConfigError(f"{key} must be {least} or more, but {getattr(self, key)} was given.")


def emoji_sets(
    model: EvaluatedModel, network: Lite0, config: EvaluationConfig, *, progress: NamedProgress | None = None
) -> Iterator[EvaluationSet]:
    """The sets of EmojiScenes, restricted to the model's concepts and to the styles it was trained on, one after the other.

    Raises:
        ConfigError: when the model's size is none that EmojiScenes has, or a split is empty for its concepts.
        DataError: when the sprites were not built.
    """
    builder = _Builder(model, network, config.drawing, progress or (lambda *_: None))
    data = EmojiScenesConfig(
        size=_size(model),
        length=config.num_images,
        concepts=model.manifest.concepts or None,
        styles=_trained_styles(model.manifest),
        captions=1,
        sprites=config.sprites,
    )
    gallery = GalleryConfig(size=data.size, sprites=config.sprites)
    recogniser = cache(lambda: load_recogniser(gallery, network, progress=progress))
    splits = config.splits or [split for split in SPLITS if _shows_something(replace(data, split=split))]
    for split in splits:
        scenes = replace(data, split=split, seed=_PROMPT_SEED)
        reference = Images.of(list(_drawn(replace(scenes, seed=_REFERENCE_SEED))), network)
        yield builder.build(split, "scenes", list(_drawn(scenes)), reference=reference)
    for kind in ("one object", "two objects"):
        samples = _probes(replace(data, split=splits[0]), kind, config.num_probes)
        if samples and builder.prompted:
            yield replace(builder.build(splits[0], kind, samples), recogniser=recogniser)


class _Builder:
    def __init__(self, model: EvaluatedModel, network: Lite0, drawing: Drawing, progress: NamedProgress) -> None:
        self.model = model
        self.network = network
        self.drawing = drawing
        self.progress = progress
        self.prompted = model.conditioner is not None

    def build(self, split: str, kind: Kind, samples: Sequence[Sample], *, reference: Images | None = None) -> EvaluationSet:
        real = Images.of(samples, self.network)
        prompts = [sample.captions[0] if self.prompted else "" for sample in samples]
        where = f"{split}, {kind}"
        return EvaluationSet(
            split=split,
            kind=kind,
            real=real,
            prompts=prompts if self.prompted else None,
            generate=lambda texts: self._generate(texts, "drawing"),
            generated=Images(lambda: self._generate(prompts, f"drawing: {where}"), self.network),
            reference=reference,
            reconstructed=Images(lambda: self._reconstruct(real.pixels, where), self.network),
        )

    def _generate(self, prompts: Sequence[str], what: str) -> Pixels:
        drawing, parts = self.drawing, []
        for start in range(0, len(prompts), drawing.batch_size):
            texts = [escape(text) for text in prompts[start : start + drawing.batch_size]]  # captions have no syntax
            parts += self.model.generate(
                texts,
                num_steps=drawing.num_steps,
                guidance_scale=drawing.guidance_scale,
                sampler=drawing.sampler,
                seed=[drawing.seed + start + place for place in range(len(texts))],
            )
            self.progress(what, len(parts), len(prompts))
        return torch.stack([torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) for image in parts])

    def _reconstruct(self, pixels: Pixels, where: str) -> Pixels:
        parts, done = [], 0
        for batch in pixels.split(self.drawing.batch_size):
            parts.append(to_bytes(self._roundtrip(to_floats(batch.to(self.model.device)))).cpu())
            done += len(batch)
            self.progress(f"encoding and decoding: {where}", done, len(pixels))
        return torch.cat(parts)

    @torch.no_grad()
    def _roundtrip(self, images: Image) -> Float[Tensor, "batch 3 height width"]:
        return self.model.decode(self.model.encode(images))


def _trained_styles(manifest: Manifest) -> tuple[str, ...] | None:
    """The styles of EmojiScenes that a model says it has learned; None where it does not say. Splits of other styles show those."""
    data = manifest.training.get("recipe", {}).get("data", {})
    styles = data.get("styles") if isinstance(data, dict) and data.get("kind") == "emoji-scenes" else None
    return tuple(styles) if isinstance(styles, list) and styles else None


def _size(model: EvaluatedModel) -> int:
    width, height = model.image_size
    if width != height or width not in SIZES:
        raise ConfigError(
            f"The model draws {width}x{height} pixels, but EmojiScenes has squares of {', '.join(map(str, SIZES))}: "
            "only models of those sizes can be evaluated on it."
        )
    return width


def _shows_something(config: EmojiScenesConfig) -> bool:
    try:
        EmojiScenes(config)
    except ConfigError:
        return False
    return True


def _drawn(config: EmojiScenesConfig) -> Iterator[Sample]:
    scenes = EmojiScenes(config)
    return (scenes[index] for index in range(len(scenes)))


def _probes(config: EmojiScenesConfig, kind: Kind, count: int) -> list[Sample]:
    """Scenes with exactly one object, or with two whose relation the caption names."""
    one = kind == "one object"
    if one and config.split == "unseen_concept_pair":
        # its scenes have two objects by definition
        return []
    wanted = replace(
        config,
        seed=_OBJECT_SEEDS[kind],
        length=_TRIES * count,
        max_objects=1 if one else 2,
        single_object_share=1.0 if one else 0.0,
    )
    found: list[Sample] = []
    for sample in _drawn(wanted):
        boxes = [thing.box for thing in sample.objects]
        if one or (len(boxes) == 2 and relation(boxes[0], boxes[1]) is not None):
            found.append(sample)
        if len(found) == count:
            return found
    raise DataError(
        f"Only {len(found)} of {count} scenes with {kind} could be drawn from the split {config.split!r}: "
        "give the model more concepts, or ask for fewer scenes."
    )
