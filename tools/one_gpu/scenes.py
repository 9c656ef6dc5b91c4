"""Scenes drawn by every core at once into memory that all share: images, maps of their cells, captions as token numbers."""

from __future__ import annotations

import mmap
import multiprocessing
import os
import random
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ildm.conditioning.tokenizer import Tokenizer
from ildm.data.cells import fill_cells
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig

WORDINGS, GROUP = 4, 64


@dataclass(frozen=True)
class Scenes:
    """A pool that fills up.

    Args:
        images: (count, 3, size, size).
        maps: (count, rows, columns), 0 for the background, else one more than the concept's number.
        tokens: (count, WORDINGS, max_tokens).
        done: how many each worker has drawn.
        workers: the processes.
    """

    images: NDArray[np.uint8]
    maps: NDArray[np.int16]
    tokens: NDArray[np.int16]
    done: NDArray[np.int64]
    workers: list[BaseProcess]

    def wait(self) -> None:
        """Until all are drawn.

        Raises:
            RuntimeError: when a worker failed.
        """
        for worker in self.workers:
            worker.join()
        if int(self.done.sum()) < len(self.images):
            raise RuntimeError(f"Only {int(self.done.sum())} of {len(self.images)} scenes were drawn.")


def draw_scenes(config: EmojiScenesConfig, tokenizer: Tokenizer, cells: int, workers: int) -> Scenes:
    """Begin to draw. It has to be called before the process touches the GPU, for it forks.

    Args:
        cells: rows and columns of the maps.
    """
    dataset = EmojiScenes(config)
    dataset.warm_up()
    count = len(dataset)
    scenes = Scenes(
        images=_shared((count, 3, config.size, config.size), np.uint8),
        maps=_shared((count, cells, cells), np.int16),
        tokens=_shared((count, WORDINGS, tokenizer.max_tokens), np.int16),
        done=_shared((workers,), np.int64),
        workers=[],
    )
    context = multiprocessing.get_context("fork")
    bounds = [count * place // workers for place in range(workers + 1)]
    for place in range(workers):
        arguments = (scenes, dataset, tokenizer, place, bounds[place], bounds[place + 1])
        worker = context.Process(target=_draw, args=arguments, daemon=True)
        worker.start()
        scenes.workers.append(worker)
    return scenes


def _draw(scenes: Scenes, dataset: EmojiScenes, tokenizer: Tokenizer, place: int, first: int, end: int) -> None:
    os.nice(5)
    torch.set_num_threads(1)
    cells = scenes.maps.shape[1:]
    for start in range(first, end, GROUP):
        captions: list[str] = []
        indices = range(start, min(start + GROUP, end))
        for index in indices:
            sample = dataset[index]
            assert sample.semantic_map is not None
            scenes.images[index] = sample.image.numpy()
            scenes.maps[index] = fill_cells(sample.semantic_map, (cells[0], cells[1]))
            captions += random.Random(index).choices(sample.captions, k=WORDINGS)
        tokens, _ = tokenizer(captions)
        scenes.tokens[start : indices[-1] + 1] = tokens.numpy().reshape(len(indices), WORDINGS, -1)
        scenes.done[place] += len(indices)


def _shared(shape: tuple[int, ...], kind: type[Any]) -> NDArray[Any]:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, size), dtype=kind).reshape(shape)
