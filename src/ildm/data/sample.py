"""What a data set yields: images with wordings, placed objects and exact maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Integer, UInt8
from torch import Tensor

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object of an image.

    Args:
        concept: what it is, for EmojiScenes a label of the concept table.
        style: how it is drawn; empty where nobody said.
        box: (left, top, right, bottom) as fractions of the image's sides, right and bottom exclusive.
        instance: its value in the instance map, counted from 1.
    """

    concept: str
    style: str
    box: Box
    instance: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image and what is known of it.

    Args:
        image: (3, height, width), RGB, 0 to 255.
        captions: one or more wordings; the first says everything that is known, training draws one at random.
        objects: what was placed, in drawing order; empty where nothing is known.
        instance_map: (height, width), 0 for the background, else `SceneObject.instance`.
        semantic_map: (height, width), 0 for the background, else a class number of the data set.
        source: where it comes from, a file name or the recipe of a scene.
    """

    image: UInt8[Tensor, "3 height width"]
    captions: tuple[str, ...]
    objects: tuple[SceneObject, ...] = ()
    instance_map: Integer[Tensor, "height width"] | None = None
    semantic_map: Integer[Tensor, "height width"] | None = None
    source: str = ""


@runtime_checkable
class ImageDataset(Protocol):
    """A finite, indexable set of samples, the same sample for the same index every time."""

    @property
    def fingerprint(self) -> str:
        """A stable hash of all that defines the samples."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def describe(self) -> dict[str, Any]:
        """What this is, in JSON values, for manifests and cards."""
        ...
