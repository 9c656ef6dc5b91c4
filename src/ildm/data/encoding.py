"""A data set encoded: every image's latent, what is said of it and what a hint of it is made of, in shards on disk."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ildm.core.errors import DataError
from ildm.core.files import write_json
from ildm.core.types import Image, Latent
from ildm.data.cells import fill_cells
from ildm.data.latent_shards import Captions, write_shard
from ildm.data.latents import FORMAT, read_latent_manifest
from ildm.data.loader import to_float
from ildm.data.order import stream_number
from ildm.data.prefetch import prefetch, warm_up
from ildm.data.sample import ImageDataset, Sample

Encode = Callable[[Image], Latent]
Wordings = Callable[[Sample], Captions]
"""What is said of a sample: its captions, its class or its layout."""


@runtime_checkable
class Look(Protocol):
    """What a model is shown of a sample beside words."""

    def pixels(self, sample: Sample, random: random.Random) -> Tensor:
        """An image-shaped tensor (channels, height, width), as `ildm.conditioning.hint.Hint.read` makes it; any process."""
        ...

    def features(self, pixels: Tensor, grid: tuple[int, int]) -> Tensor:
        """What is kept of several: (batch, features, rows, columns), int16 or floating; in the main process."""
        ...


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a model is told of a sample.

    Args:
        wordings: in words; None = its captions.
        look: in pictures; None = nothing.
        name: tells these from others.
    """

    wordings: Wordings | None = None
    look: Look | None = None
    name: str = ""


CAPTIONS = Told()
_SHARD = 4096  # samples


def encode_dataset(
    dataset: ImageDataset,
    encode: Encode,
    encoder_fingerprint: str,
    folder: Path,
    *,
    batch_size: int = 64,
    limit: int | None = None,
    workers: int = 0,
    told: Told = CAPTIONS,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Encode the samples of a data set into `folder`; shards that are already there are kept.

    Args:
        encode: from images (batch, 3, height, width) in [-1, 1] on the CPU to latents (batch, channels, h, w), any device.
        encoder_fingerprint: tells the maker of these latents from every other.
        limit: encode only the first so many samples; None = all.
        workers: processes that prepare images ahead.
        told: what the model is told of each sample.
        progress: called with how many samples are done and how many there are. It may raise to stop: what is encoded is kept.

    Returns:
        `folder`, for `LatentCache` to open.

    Raises:
        DataError: when `folder` holds the latents of another data set or encoder, or a latent does not fit float16.
        StorageError: when there is no room.
    """
    total = min(limit or len(dataset), len(dataset))
    manifest = _begin(folder, dataset, encoder_fingerprint, total, told.name)
    done = sum(record["count"] for record in manifest["shards"])
    warm_up(dataset, workers)
    read = prefetch(_Reader(dataset, told), _groups(done, total, batch_size), _join, workers=workers)
    latents: list[Tensor] = []
    captions: list[Captions] = []
    maps: list[NDArray[np.int16]] = []
    features: list[Tensor] = []

    def write() -> None:
        """Whole batches that are encoded become a shard, so that an interrupted run goes on behind them."""
        if not captions:
            return
        whole = np.stack(maps) if len(maps) == len(captions) else None
        made = torch.cat(features).numpy() if features else None
        number = len(manifest["shards"])
        manifest["shards"].append(write_shard(folder, number, torch.cat(latents).numpy(), captions, whole, made))
        write_json(folder / "manifest.json", manifest)
        for begun in (latents, captions, maps, features):
            begun.clear()

    for group in read:
        latents.append(_encode(encode, group.images))
        captions += group.wordings
        grid = (latents[-1].shape[2], latents[-1].shape[3])
        if group.maps is not None:
            maps += [fill_cells(one, grid) for one in group.maps]
        if told.look is not None and group.pixels is not None:
            features.append(_kept(told.look.features(group.pixels, grid)))
        done += len(group.images)
        if len(captions) >= _SHARD or done == total:
            write()
        if progress is not None:
            try:
                progress(done, total)
            except BaseException:  # whoever stops it here
                write()
                raise
    return folder


def _groups(done: int, total: int, batch_size: int) -> Iterator[list[int]]:
    # no batch spans two shards
    for shard in range(done, total, _SHARD):
        end = min(shard + _SHARD, total)
        for first in range(shard, end, batch_size):
            yield list(range(first, min(first + batch_size, end)))


class _Row(NamedTuple):
    sample: Sample
    wordings: Captions
    pixels: Tensor | None


class _Group(NamedTuple):
    images: Tensor
    wordings: list[Captions]
    maps: list[Tensor] | None
    pixels: Tensor | None


class _Reader:
    """A sample with all that a model is told of it."""

    def __init__(self, dataset: ImageDataset, told: Told) -> None:
        self._dataset, self._told = dataset, told

    def __call__(self, index: int) -> _Row:
        sample, told = self._dataset[index], self._told
        said = sample.captions if told.wordings is None else told.wordings(sample)
        seen = None if told.look is None else told.look.pixels(sample, random.Random(stream_number(index, "look")))
        return _Row(sample, said, seen)


def _join(rows: list[_Row]) -> _Group:
    maps = [row.sample.semantic_map for row in rows if row.sample.semantic_map is not None]
    pixels = [row.pixels for row in rows if row.pixels is not None]
    return _Group(
        images=torch.stack([row.sample.image for row in rows]),
        wordings=[row.wordings for row in rows],
        maps=maps if len(maps) == len(rows) else None,
        pixels=torch.stack(pixels) if pixels else None,
    )


def _kept(features: Tensor) -> Tensor:
    """Numbers as they are, others in half precision."""
    features = features.detach().cpu()
    return features.to(torch.float16) if features.is_floating_point() else features


def _encode(encode: Encode, images: Tensor) -> Tensor:
    with torch.no_grad():
        latents = encode(to_float(images)).to("cpu", torch.float16)
    if not torch.isfinite(latents).all():
        raise DataError("The autoencoder made latents that are not finite in float16: check its weights before encoding.")
    return latents


def _begin(folder: Path, dataset: ImageDataset, encoder_fingerprint: str, total: int, shown: str) -> dict[str, Any]:
    wanted = {
        "format": FORMAT,
        "encoder": encoder_fingerprint,
        "dataset": dataset.fingerprint,
        "samples": total,
        "description": dataset.describe(),
    } | ({"shown": shown} if shown else {})
    if not (folder / "manifest.json").exists():
        return {**wanted, "shards": []}
    found = read_latent_manifest(folder)
    for key, what in (
        ("encoder", "another encoder"),
        ("dataset", "another data set"),
        ("samples", "another number of samples"),
        ("shown", "another condition"),
    ):
        if found.get(key) != wanted.get(key):
            raise DataError(f"The folder {folder} already holds latents of {what}: remove it or choose another folder.")
    return found
