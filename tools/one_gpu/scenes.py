"""Scenes drawn by every core at once into memory that all processes share: images, maps of their cells, and what models are told."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ildm.data.cells import fill_cells
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.sample import Sample

GROUP = 64

Tell = Callable[[Sequence[Sample], random.Random], Mapping[str, Any]]
"""From samples to what is kept of each, by name."""


@dataclass(frozen=True)
class Scenes:
    """A pool that fills up.

    Args:
        images: (count, 3, size, size).
        maps: (count, rows, columns), 0 for the background, else one more than the concept's number.
        latents: (count, channels, rows, columns), filled in by the first stage.
        told: (count, ...) each.
        done: how many groups each worker has drawn.
        workers: the processes.
    """

    images: NDArray[np.uint8]
    maps: NDArray[np.int16]
    latents: NDArray[np.float16]
    told: Mapping[str, NDArray[Any]]
    done: NDArray[np.int64]
    workers: list[BaseProcess]

    @property
    def count(self) -> int:
        """How many, from the first on, are drawn."""
        # worker w draws the groups w, w + workers, and so on
        whole = min((int(done) * len(self.done) + place for place, done in enumerate(self.done)), default=0)
        return min(whole * GROUP, len(self.images))

    def wait(self, least: int) -> None:
        """Until so many are drawn."""
        while self.count < least:
            time.sleep(0.2)


def reserve(
    count: int, size: int, cells: int, channels: int, kept: Mapping[str, tuple[tuple[int, ...], Any]], workers: int
) -> Scenes:
    """Room for a pool.

    Args:
        cells: rows and columns of maps and latents.
        kept: shape and type of what is told of each.
    """
    return Scenes(
        images=shared((count, 3, size, size), np.uint8),
        maps=shared((count, cells, cells), np.int16),
        latents=shared((count, channels, cells, cells), np.float16),
        told={name: shared((count, *shape), kind) for name, (shape, kind) in kept.items()},
        done=shared((workers,), np.int64),
        workers=[],
    )


def draw(scenes: Scenes, dataset: EmojiScenes, tell: Tell) -> None:
    """Begin to fill a pool. It has to be called in a process that has not touched the GPU, for it forks."""
    dataset.warm_up()
    context = multiprocessing.get_context("fork")
    for place in range(len(scenes.done)):
        worker = context.Process(target=_draw, args=(scenes, dataset, tell, place), daemon=True)
        worker.start()
        scenes.workers.append(worker)


def _draw(scenes: Scenes, dataset: EmojiScenes, tell: Tell, place: int) -> None:
    os.nice(5)
    torch.set_num_threads(1)
    cells = scenes.maps.shape[1:]
    for start in range(place * GROUP, len(scenes.images), len(scenes.done) * GROUP):
        indices = range(start, min(start + GROUP, len(scenes.images)))
        samples = [dataset[index] for index in indices]
        for index, sample in zip(indices, samples, strict=True):
            assert sample.semantic_map is not None
            scenes.images[index] = sample.image.numpy()
            scenes.maps[index] = fill_cells(sample.semantic_map, (cells[0], cells[1]))
        for name, rows in tell(samples, random.Random(start)).items():
            scenes.told[name][start : indices[-1] + 1] = rows
        scenes.done[place] += 1
    scenes.done[place] = len(scenes.images)


def shared(shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
    """Zeros that forked processes write to together."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, max(size, 1)), dtype=kind, count=int(np.prod(shape))).reshape(shape)
