"""One piece of an encoded data set on disk: latents beside every wording of every sample.

00000.latents.npy     (count, channels, height, width) float16
00000.text.npy        the UTF-8 bytes of all wordings, one after the other
00000.ends.npy        where each wording ends in those bytes
00000.wordings.npy    how many wordings came up to and with each sample
00000.maps.npy        (count, height, width) int16: the class that fills most of each latent's cell; only where maps are known
00000.features.npy    (count, features, rows, columns): what a hint was made of; only where the model is shown one
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ildm.core.errors import DataError
from ildm.core.files import atomic_file, sha256

Captions = tuple[str, ...]
Record = dict[str, Any]
"""What a manifest keeps of a shard: `count` and `files`, each file's SHA-256."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A shard opened for reading; nothing is in memory until it is asked for."""

    latents: NDArray[np.float16]
    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    wordings: NDArray[np.int64]
    maps: NDArray[np.int16] | None = None
    features: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def captions(self, row: int) -> Captions:
        """All wordings of one sample."""
        first = int(self.wordings[row - 1]) if row else 0
        return tuple(self._wording(number) for number in range(first, int(self.wordings[row])))

    def _wording(self, number: int) -> str:
        start = int(self.ends[number - 1]) if number else 0
        return self.text[start : int(self.ends[number])].tobytes().decode()


def write_shard(
    folder: Path,
    number: int,
    latents: NDArray[np.float16],
    captions: Sequence[Captions],
    maps: NDArray[np.int16] | None = None,
    features: NDArray[Any] | None = None,
) -> Record:
    """Write one shard and return what the manifest keeps of it.

    Raises:
        StorageError: when there is no room.
    """
    encoded = [wording.encode() for wordings in captions for wording in wordings]
    arrays: dict[str, NDArray[Any]] = {
        "latents": latents,
        "text": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "ends": np.cumsum([len(wording) for wording in encoded], dtype=np.int64),
        "wordings": np.cumsum([len(wordings) for wordings in captions], dtype=np.int64),
    }
    arrays |= {name: array for name, array in (("maps", maps), ("features", features)) if array is not None}
    files: dict[str, str] = {}
    for name, array in arrays.items():
        path = folder / f"{number:05d}.{name}.npy"
        content = io.BytesIO()
        np.save(content, array)
        # not np.save to the file: its own writer hides why it failed
        with atomic_file(path) as temporary:
            temporary.write_bytes(content.getbuffer())
        files[path.name] = sha256(path)
    return {"count": len(latents), "files": files}


def open_shard(folder: Path, number: int, record: Record) -> Shard:
    """Open one shard after checking every byte of it.

    Raises:
        DataError: when a file is missing or differs from its record.
    """
    for name, digest in record["files"].items():
        path = folder / name
        if not path.is_file() or sha256(path) != digest:
            state = "damaged" if path.is_file() else "missing"
            raise DataError(f"The latent shard {path} is {state}: remove the folder {folder} and encode the data again.")
    paths = {name: folder / f"{number:05d}.{name}.npy" for name in Shard.__dataclass_fields__}
    arrays = {name: np.load(path, mmap_mode="r") for name, path in paths.items() if path.name in record["files"]}
    return Shard(**arrays)
