"""Latents computed once: an encoded data set on disk, bound to the encoder that made it."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from ildm.core.errors import DataError
from ildm.core.files import write_json
from ildm.core.types import Image, Latent
from ildm.data.cells import fill_cells
from ildm.data.latent_shards import Captions, Shard, open_shard, write_shard
from ildm.data.loader import to_float
from ildm.data.order import batches_of_places, check_order, stream_number
from ildm.data.prefetch import prefetch, warm_up
from ildm.data.sample import ImageDataset, Sample

Encode = Callable[[Image], Latent]
_FORMAT = "ildm-latents-2"
_SHARD = 4096  # samples


@dataclass(frozen=True, kw_only=True)
class LatentBatch:
    """Encoded samples in training form.

    Args:
        latents: (batch, channels, height, width), float32, as the autoencoder gave them.
        captions: one per sample.
        indices: of the samples in their data set.
        position: how many samples of the run came before this batch.
        maps: (batch, height, width), for each cell the place in `LatentCache.classes` of what fills most of it; None where
            the data has no maps.
    """

    latents: Latent
    captions: list[str]
    indices: list[int]
    position: int
    maps: Int[Tensor, "batch height width"] | None = None

    @property
    def next_position(self) -> int:
        """Where a run that saw this batch goes on: the `start` of its next iterator."""
        return self.position + len(self.captions)


class LatentCache:
    """A folder written by `encode_dataset`.

    Args:
        encoder_fingerprint: of the first stage that is going to decode, see `Autoencoder.encoder_fingerprint`; None = do not compare.

    Raises:
        DataError: when the folder is no latent cache, is unfinished or damaged, or another encoder made it.
    """

    def __init__(self, folder: Path, encoder_fingerprint: str | None = None) -> None:
        self.manifest = _read_manifest(folder)
        made_by = self.manifest["encoder"]
        if encoder_fingerprint is not None and encoder_fingerprint != made_by:
            raise DataError(
                f"The latents in {folder} were made by the encoder {made_by[:12]}, but this model's is "
                f"{encoder_fingerprint[:12]}: encode the data again with this model (ildm data encode) into another folder."
            )
        records = self.manifest["shards"]
        encoded = sum(record["count"] for record in records)
        if encoded != self.manifest["samples"]:
            raise DataError(
                f"Only {encoded} of {self.manifest['samples']} samples are encoded in {folder}: "
                "run the command that encodes them again, it goes on where it stopped."
            )
        self._shards: list[Shard] = [open_shard(folder, number, record) for number, record in enumerate(records)]
        self._starts = [0, *accumulate(len(shard) for shard in self._shards)]

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one latent."""
        channels, height, width = self._shards[0].latents.shape[1:]
        return channels, height, width

    @cached_property
    def classes(self) -> NDArray[np.int16]:
        """The classes that the maps tell apart, the background first; empty where there are no maps."""
        maps = [shard.maps for shard in self._shards if shard.maps is not None]
        if len(maps) < len(self._shards):
            return np.zeros(0, np.int16)
        return np.unique(np.concatenate([np.unique(one) for one in maps]))

    def latent(self, index: int) -> Float[Tensor, "channels height width"]:
        """One latent, float32."""
        shard, row = self._find(index)
        return torch.from_numpy(shard.latents[row].astype(np.float32))

    def captions(self, index: int) -> Captions:
        """All wordings of one sample."""
        shard, row = self._find(index)
        return shard.captions(row)

    def map(self, index: int) -> Int[Tensor, "height width"] | None:
        """For each of a latent's cells, the place in `classes` of what fills most of it; None where the data has no maps."""
        shard, row = self._find(index)
        return None if shard.maps is None else torch.from_numpy(np.searchsorted(self.classes, shard.maps[row]))

    def batches(self, batch_size: int, *, seed: int, start: int = 0) -> Iterator[LatentBatch]:
        """Batches for ever, in the order and with the caption draws that depend on (seed, position) alone.

        Raises:
            ConfigError: for a batch size below 1 or a negative start.
        """
        check_order(len(self), batch_size, start)
        return self._batches(batch_size, seed, start)

    def _batches(self, batch_size: int, seed: int, start: int) -> Iterator[LatentBatch]:
        for places in batches_of_places(len(self), batch_size, seed=seed, start=start):
            captions: list[str] = []
            for place in places:
                wordings = self.captions(place.index)
                drawn = random.Random(stream_number(seed, "sample", place.position)).random()
                captions.append(wordings[int(drawn * len(wordings))])
            latents = torch.stack([self.latent(place.index) for place in places])
            indices = [place.index for place in places]
            maps = [one for one in map(self.map, indices) if one is not None]
            yield LatentBatch(
                latents=latents,
                captions=captions,
                indices=indices,
                position=places[0].position,
                maps=torch.stack(maps) if len(maps) == len(indices) else None,
            )

    def _find(self, index: int) -> tuple[Shard, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"Latent {index} was asked for, but there are {len(self)}.")
        number = bisect_right(self._starts, index) - 1
        return self._shards[number], index - self._starts[number]


def encode_dataset(
    dataset: ImageDataset,
    encode: Encode,
    encoder_fingerprint: str,
    folder: Path,
    *,
    batch_size: int = 64,
    limit: int | None = None,
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Encode the samples of a data set into `folder`; shards that are already there are kept.

    Args:
        encode: from images (batch, 3, height, width) in [-1, 1] on the CPU to latents (batch, channels, h, w), any device.
        encoder_fingerprint: tells the maker of these latents from every other.
        limit: encode only the first so many samples; None = all.
        workers: processes that prepare images ahead.
        progress: called with how many samples are done and how many there are.

    Returns:
        `folder`, for `LatentCache` to open.

    Raises:
        DataError: when `folder` holds the latents of another data set or encoder, or a latent does not fit float16.
        StorageError: when there is no room.
    """
    total = min(limit or len(dataset), len(dataset))
    manifest = _begin(folder, dataset, encoder_fingerprint, total)
    done = sum(record["count"] for record in manifest["shards"])
    warm_up(dataset, workers)
    read = prefetch(dataset.__getitem__, _groups(done, total, batch_size), _join, workers=workers)
    latents: list[Tensor] = []
    captions: list[Captions] = []
    maps: list[NDArray[np.int16]] = []
    for images, wordings, known in read:
        latents.append(_encode(encode, images))
        captions += wordings
        if known is not None:
            maps += [fill_cells(one, (latents[-1].shape[2], latents[-1].shape[3])) for one in known]
        done += len(images)
        if done % _SHARD == 0 or done == total:
            whole = np.stack(maps) if len(maps) == len(captions) else None
            manifest["shards"].append(write_shard(folder, len(manifest["shards"]), torch.cat(latents).numpy(), captions, whole))
            # after every shard, so that an interrupted run goes on with the next
            write_json(folder / "manifest.json", manifest)
            latents, captions, maps = [], [], []
        if progress is not None:
            progress(done, total)
    return folder


def _groups(done: int, total: int, batch_size: int) -> Iterator[list[int]]:
    # no batch spans two shards
    for shard in range(done, total, _SHARD):
        end = min(shard + _SHARD, total)
        for first in range(shard, end, batch_size):
            yield list(range(first, min(first + batch_size, end)))


def _join(samples: list[Sample]) -> tuple[Tensor, list[Captions], list[Tensor] | None]:
    maps = [sample.semantic_map for sample in samples if sample.semantic_map is not None]
    known = maps if len(maps) == len(samples) else None
    return torch.stack([sample.image for sample in samples]), [sample.captions for sample in samples], known


def _encode(encode: Encode, images: Tensor) -> Tensor:
    with torch.no_grad():
        latents = encode(to_float(images)).to("cpu", torch.float16)
    if not torch.isfinite(latents).all():
        raise DataError("The autoencoder made latents that are not finite in float16: check its weights before encoding.")
    return latents


def _begin(folder: Path, dataset: ImageDataset, encoder_fingerprint: str, total: int) -> dict[str, Any]:
    wanted = {
        "format": _FORMAT,
        "encoder": encoder_fingerprint,
        "dataset": dataset.fingerprint,
        "samples": total,
        "description": dataset.describe(),
    }
    if not (folder / "manifest.json").exists():
        return {**wanted, "shards": []}
    found = _read_manifest(folder)
    for key, what in (
        ("encoder", "another encoder"),
        ("dataset", "another data set"),
        ("samples", "another number of samples"),
    ):
        if found[key] != wanted[key]:
            raise DataError(f"The folder {folder} already holds latents of {what}: remove it or choose another folder.")
    return found


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no encoded data (no manifest.json): make it with ildm data encode.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        readable = manifest["format"] == _FORMAT
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise DataError(f"{path} is damaged: remove the folder and encode the data again.") from error
    if not readable:
        raise DataError(f"{path} has the format {manifest['format']!r}, but {_FORMAT!r} was expected: encode the data again.")
    return manifest
