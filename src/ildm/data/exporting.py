"""Samples of a data set as plain files that anybody can read, `ildm data import` among them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ildm.core.errors import DataError
from ildm.core.files import atomic_folder, holds_something
from ildm.data.folder import write_folder
from ildm.data.sample import ImageDataset, Sample


def export_samples(
    dataset: ImageDataset, folder: Path, count: int, *, progress: Callable[[int, int], None] | None = None
) -> int:
    """Write the first `count` samples as PNG images, `metadata.jsonl` (captions, boxes) and PNG maps.

    Returns:
        How many were written.

    Raises:
        DataError: when `folder` already holds something.
        StorageError: when there is no room.
    """
    if holds_something(folder):
        raise DataError(f"{folder} already holds something: give a new or an empty folder.")
    count = min(count, len(dataset))
    with atomic_folder(folder) as temporary:
        size = dataset[0].image.shape[-1]
        about = {"description": dataset.describe()}
        write_folder(temporary, _first(dataset, count, progress), name=folder.name, size=size, about=about)
    return count


def _first(dataset: ImageDataset, count: int, progress: Callable[[int, int], None] | None) -> Iterator[Sample]:
    for index in range(count):
        yield dataset[index]
        if progress is not None:
            progress(index + 1, count)
