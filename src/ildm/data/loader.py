"""Batches without end: deterministic, resumable at any sample, prefetched by worker processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ildm.core.share import WHOLE, Share
from ildm.data.order import Place, batches_of_places, check_order, stream_number
from ildm.data.prefetch import prefetch, warm_up
from ildm.data.sample import ImageDataset, Sample, SceneObject

Transform = Callable[[Sample, random.Random], Sample]
"""Changes a sample with random numbers that belong to its place in the run, such as `RandomCrop`."""

_Row = tuple[Tensor, str, Place, tuple[SceneObject, ...]]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples in training form.

    Args:
        images: (batch, 3, height, width), RGB in [-1, 1].
        captions: one per sample.
        indices: of the samples in their data set.
        objects: what is placed in each image.
        position: how many samples of the run came before the first of these.
    """

    images: Float[Tensor, "batch 3 height width"]
    captions: list[str]
    indices: list[int]
    objects: list[tuple[SceneObject, ...]]
    position: int

    @property
    def next_position(self) -> int:
        """Where a run that saw this whole batch goes on: the `start` of its next iterator."""
        return self.position + len(self.captions)


def batches(
    dataset: ImageDataset,
    batch_size: int,
    *,
    seed: int,
    start: int = 0,
    workers: int = 0,
    transform: Transform | None = None,
    share: Share = WHOLE,
) -> Iterator[Batch]:
    """Batches of a data set for ever: every epoch is a permutation of its own.

    The sample at position p, its caption and its transform depend on (seed, p) alone, so an iterator started at any
    position yields what an unbroken one would have, whatever the number of workers.

    Args:
        start: samples of the run that were already seen.
        workers: processes that prepare batches ahead; 0 = none, in this process.
        share: the part of every batch that is read here.

    Raises:
        ConfigError: for a batch size below 1 or one without such equal parts, a negative start or number of workers, or an empty data set.
    """
    check_order(len(dataset), batch_size, start, share)
    warm_up(dataset, workers)
    places = batches_of_places(len(dataset), batch_size, seed=seed, start=start, share=share)
    rows = prefetch(_Reader(dataset, seed, transform), places, _join, workers=workers)
    return (
        Batch(images=to_float(images), captions=captions, indices=indices, objects=objects, position=position)
        for images, captions, indices, objects, position in rows
    )


def to_float(images: UInt8[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixels from 0..255 to [-1, 1]."""
    return images.to(torch.float32).div_(127.5).sub_(1.0)


class _Reader:
    def __init__(self, dataset: ImageDataset, seed: int, transform: Transform | None) -> None:
        self._dataset = dataset
        self._seed = seed
        self._transform = transform

    def __call__(self, place: Place) -> _Row:
        rng = random.Random(stream_number(self._seed, "sample", place.position))
        sample = self._dataset[place.index]
        caption = sample.captions[int(rng.random() * len(sample.captions))]
        if self._transform is not None:
            sample = self._transform(sample, rng)
        return sample.image, caption, place, sample.objects


def _join(rows: list[_Row]) -> tuple[Tensor, list[str], list[int], list[tuple[SceneObject, ...]], int]:
    images, captions, places, objects = zip(*rows, strict=True)
    return torch.stack(images), list(captions), [place.index for place in places], list(objects), places[0].position
