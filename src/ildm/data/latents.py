"""Latents computed once: an encoded data set on disk, bound to the encoder that made it."""

from __future__ import annotations

import json
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from ildm.core.errors import DataError
from ildm.core.share import WHOLE, Share
from ildm.core.types import Latent
from ildm.data.latent_shards import Captions, Shard, open_shard
from ildm.data.order import batches_of_places, check_order, stream_number

FORMAT = "ildm-latents-2"


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
        features: (batch, features, rows, columns), what a hint is made of; None where the model is shown none.
    """

    latents: Latent
    captions: list[str]
    indices: list[int]
    position: int
    maps: Int[Tensor, "batch height width"] | None = None
    features: Shaped[Tensor, "batch features rows columns"] | None = None

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
        self.manifest = read_latent_manifest(folder)
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

    def features(self, index: int) -> Shaped[Tensor, "features rows columns"] | None:
        """What the hint of one sample is made of; None where there is none."""
        shard, row = self._find(index)
        if shard.features is None:
            return None
        kept = torch.from_numpy(np.array(shard.features[row]))
        return kept.float() if kept.is_floating_point() else kept

    def batches(self, batch_size: int, *, seed: int, start: int = 0, share: Share = WHOLE) -> Iterator[LatentBatch]:
        """Batches for ever, in the order and with the caption draws that depend on (seed, position) alone.

        Args:
            share: the part of every batch that is read here.

        Raises:
            ConfigError: for a batch size below 1 or one without such equal parts, or a negative start.
        """
        check_order(len(self), batch_size, start, share)
        return self._batches(batch_size, seed, start, share)

    def _batches(self, batch_size: int, seed: int, start: int, share: Share) -> Iterator[LatentBatch]:
        for places in batches_of_places(len(self), batch_size, seed=seed, start=start, share=share):
            captions: list[str] = []
            for place in places:
                wordings = self.captions(place.index)
                drawn = random.Random(stream_number(seed, "sample", place.position)).random()
                captions.append(wordings[int(drawn * len(wordings))])
            latents = torch.stack([self.latent(place.index) for place in places])
            indices = [place.index for place in places]
            maps = [one for one in map(self.map, indices) if one is not None]
            features = [one for one in map(self.features, indices) if one is not None]
            yield LatentBatch(
                latents=latents,
                captions=captions,
                indices=indices,
                position=places[0].position,
                maps=torch.stack(maps) if len(maps) == len(indices) else None,
                features=torch.stack(features) if features else None,
            )

    def _find(self, index: int) -> tuple[Shard, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"Latent {index} was asked for, but there are {len(self)}.")
        number = bisect_right(self._starts, index) - 1
        return self._shards[number], index - self._starts[number]


def read_latent_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise DataError(f"{folder} holds no encoded data (no manifest.json): make it with ildm data encode.")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        readable = manifest["format"] == FORMAT
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError) as error:
        raise DataError(f"{path} is damaged: remove the folder and encode the data again.") from error
    if not readable:
        raise DataError(f"{path} has the format {manifest['format']!r}, but {FORMAT!r} was expected: encode the data again.")
    return manifest
