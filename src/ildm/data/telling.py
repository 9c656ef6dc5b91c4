"""What a model is told of a sample, by what it reads: its captions, its class or its layout, and what it is shown beside them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ildm.conditioning.hint import Hint
from ildm.conditioning.inpainting import InpaintingConfig
from ildm.conditioning.label import LabelConditioner
from ildm.conditioning.layout import LayoutConditioner, Placed, layout_text
from ildm.conditioning.low_resolution import LowResolutionConfig
from ildm.conditioning.semantic_map import SemanticMapConfig
from ildm.core.errors import ConfigError, DataError
from ildm.core.picture import to_floats
from ildm.data.degradation import shrink
from ildm.data.encoding import Wordings
from ildm.data.holes import HoleKind, draw_hole
from ildm.data.latent_shards import Captions
from ildm.data.sample import Box, Sample
from ildm.data.styles import STYLES


def wordings_for(conditioner: object | None) -> Wordings:
    """From a sample to what a model that reads words so would be told of it, one wording or more."""
    if isinstance(conditioner, LayoutConditioner):
        return Layouts(conditioner.config.max_objects)
    if isinstance(conditioner, LabelConditioner):
        names = conditioner.config.names
        return ClassOf("style" if names and set(names) <= STYLES.keys() else "concept")
    return _captions


@dataclass(frozen=True)
class ClassOf:
    """What the first thing in an image is, or how it is drawn.

    Raises:
        DataError: when there is none.
    """

    of: str

    def __call__(self, sample: Sample) -> Captions:
        if not sample.objects:
            raise DataError(f"The image {sample.source} has no object, so its class is not known: import it with one.")
        thing = sample.objects[0]
        return (thing.concept if self.of == "concept" else thing.style,)


@dataclass(frozen=True)
class Layouts:
    """The boxes of an image, the `most` largest of them; slivers of which the digits of a prompt leave nothing are left out."""

    most: int

    def __call__(self, sample: Sample) -> Captions:
        things = [Placed(one.concept, one.box) for one in sample.objects]
        things = [one for one in things if _area(_as_told(one)) > 0]
        largest = sorted(range(len(things)), key=lambda place: _area(things[place].box), reverse=True)[: self.most]
        return (layout_text([things[place] for place in sorted(largest)]),)


def _as_told(thing: Placed) -> Box:
    """The box that is read again from the text."""
    left, top, right, bottom = map(float, layout_text([Placed("", thing.box)]).split())
    return left, top, right, bottom


def _area(box: Box) -> float:
    left, top, right, bottom = box
    return max(0.0, right - left) * max(0.0, bottom - top)


def _captions(sample: Sample) -> Captions:
    return sample.captions


def pixels_of(hint: Hint) -> Callable[[Sample, random.Random], Tensor]:
    """From a sample to what a model with this hint would be shown of it, (channels, height, width)."""
    config = hint.config
    if isinstance(config, SemanticMapConfig):
        return _map_of
    if isinstance(config, LowResolutionConfig):
        return _Small(config.factor, config.degradation)
    if isinstance(config, InpaintingConfig):
        return with_hole
    raise ConfigError(f"It is not known how samples are shown to a model with a hint of the kind {hint.kind!r}.")


def _map_of(sample: Sample, rng: random.Random) -> Tensor:  # noqa: ARG001
    if sample.semantic_map is None:
        raise DataError(f"The image {sample.source} has no semantic map: import it with one.")
    return sample.semantic_map[None].long()


@dataclass(frozen=True)
class _Small:
    factor: int
    degradation: str

    def __call__(self, sample: Sample, rng: random.Random) -> Tensor:
        return shrink(sample.image, self.factor, self.degradation, rng)


def with_hole(sample: Sample, rng: random.Random, kind: HoleKind | None = None) -> Tensor:
    """An image in [-1, 1] and where it is to be drawn anew, 1, (4, height, width).

    Args:
        kind: see `ildm.data.holes.draw_hole`.
    """
    hole = torch.from_numpy(draw_hole(rng, sample.image.shape[-1], kind).astype(np.float32))
    return torch.cat([to_floats(sample.image[None])[0], hole[None]])
