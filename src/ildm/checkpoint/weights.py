"""Weights on disk, one file or many, read tensor by tensor when they are wanted."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import safetensors
from torch import Tensor

from ildm.checkpoint.tensors import check_numbers, refuse_pickle, widened
from ildm.core.errors import CheckpointError


class Weights(Mapping[str, Tensor]):
    """The tensors of safetensors files by name. Nothing is read before it is asked for, and nothing is kept.

    Args:
        places: the file and the name in it of each tensor.
        source: how to call them in a sentence.
        metadata: texts of a file's header.
    """

    def __init__(self, places: Mapping[str, tuple[_File, str]], source: str, metadata: Mapping[str, str] | None = None) -> None:
        self._places = dict(places)
        self.source = source
        self.metadata: Mapping[str, str] = metadata or {}

    def __getitem__(self, name: str) -> Tensor:
        file, stored = self._places[name]
        return file.read(stored)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a tensor, without reading it."""
        file, stored = self._places[name]
        return file.shape(stored)

    def expect(self) -> None:
        """Say that all of them will be read soon: beside whoever asks, their files are read once from end to end, at the disk's pace."""
        for file in {id(file): file for file, _ in self._places.values()}.values():
            file.expect()

    def under(self, prefix: str) -> Weights:
        """Those whose names begin with `prefix`, without it."""
        kept = {name[len(prefix) :]: place for name, place in self._places.items() if name.startswith(prefix)}
        return Weights(kept, self.source)

    def renamed(self, names: Mapping[str, str]) -> Weights:
        """Those that `names` (new to old) lists, under their new names."""
        return Weights({new: self._places[old] for new, old in names.items()}, self.source)

    def without(self, *prefixes: str) -> Weights:
        """Those whose names begin with none of `prefixes`."""
        return Weights({name: place for name, place in self._places.items() if not name.startswith(prefixes)}, self.source)


def open_weights(path: Path) -> Weights:
    """The weights of one safetensors file.

    Raises:
        CheckpointError: when it is missing, pickled, truncated, or its header does not describe it.
    """
    file = _File(path)
    return Weights({name: (file, name) for name in file.names}, str(path), file.metadata)


def open_sharded(index: Path) -> Weights:
    """The weights that an index file (`*.safetensors.index.json`) spreads over files beside it.

    Raises:
        CheckpointError: when the index or a shard is damaged or missing, or a shard lies outside the index's folder.
    """
    try:
        table = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = {str(shard) for shard in table.values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"The index {index} cannot be read ({error}): fetch the model again.") from error
    files: dict[str, _File] = {}
    for shard in sorted(shards):
        if Path(shard).name != shard:
            raise CheckpointError(f"The index {index} names {shard!r}, which is not a file beside it, so it is refused.")
        files[shard] = _File(index.parent / shard)
    places = {str(name): (files[shard], str(name)) for name, shard in table.items()}
    for name, (file, stored) in places.items():
        if stored not in file.names:
            raise CheckpointError(f"The index {index} places {name!r} in a file that does not hold it: fetch the model again.")
    return Weights(places, str(index.parent))


class _File:
    """One open safetensors file."""

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise CheckpointError(f"{path} is a folder, but a file of weights is wanted: give the .safetensors file in it.")
        if not path.is_file():
            raise CheckpointError(f"The weights file {path} is missing: fetch or export the model again.")
        refuse_pickle(path)
        self.path = path
        try:
            self._open = safetensors.safe_open(path, framework="pt", device="cpu")
        except (safetensors.SafetensorError, ValueError, OSError) as error:
            raise CheckpointError(f"{path} is truncated or not a safetensors file ({error}): fetch the model again.") from error
        self._expected = False
        self.names = tuple(self._open.keys())
        self.metadata: dict[str, str] = self._open.metadata() or {}

    def expect(self) -> None:
        if not self._expected:
            self._expected = True
            threading.Thread(target=self._warm, daemon=True).start()

    def _warm(self) -> None:
        # a mapped file is read in small pieces as they are touched, in the network's order, which takes more than twice as long
        buffer = bytearray(1 << 24)
        with contextlib.suppress(OSError), self.path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._open.get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        tensor = widened(self._open.get_tensor(name))
        check_numbers(tensor, name, str(self.path))
        return tensor
