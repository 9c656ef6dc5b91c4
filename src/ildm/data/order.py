"""Which sample comes when: an order that depends on a seed and a position alone, so that any run can go on exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ildm.core.errors import ConfigError
from ildm.core.share import WHOLE, Share


@dataclass(frozen=True)
class Place:
    """One step of a run over a data set.

    Args:
        position: how many samples of the run came before.
        index: of the sample in its data set.
    """

    position: int
    index: int


def epoch_order(length: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order in which epoch `epoch` (from 0) visits `length` samples."""
    return np.random.Generator(np.random.PCG64(stream_number(seed, "epoch", epoch))).permutation(length)


def stream_number(seed: int, *names: object) -> int:
    """A 64-bit number for one stream of random numbers of a run."""
    text = ":".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def check_order(length: int, batch_size: int, start: int, share: Share = WHOLE) -> None:
    """Check that batches can be made.

    Raises:
        ConfigError: for no samples, a batch size below 1 or a negative start, or batches that have no such equal parts.
    """
    if length < 1 or batch_size < 1 or start < 0:
        raise ConfigError(
            "Batches need at least one sample, a batch size of at least 1 and a start of at least 0, but "
            f"{length} samples, batch size {batch_size} and start {start} were given."
        )
    if batch_size % share.count:
        raise ConfigError(f"Batches of {batch_size} have no {share.count} equal parts: take a multiple of {share.count}.")


def batches_of_places(length: int, batch_size: int, *, seed: int, start: int, share: Share = WHOLE) -> Iterator[list[Place]]:
    """Places for ever, from position `start` on; every epoch is a permutation of its own, and batches may span two.

    Args:
        share: the part of every batch that is yielded.
    """
    epoch, order = -1, np.empty(0, dtype=np.int64)
    position = start
    while True:
        batch: list[Place] = []
        for now in share.of(range(position, position + batch_size)):
            if now // length != epoch:
                epoch = now // length
                order = epoch_order(length, seed, epoch)
            batch.append(Place(now, int(order[now % length])))
        yield batch
        position += batch_size
