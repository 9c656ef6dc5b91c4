"""Models from a folder or file that a person has, put where they are found by name."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from ildm.checkpoint.load import describe, load
from ildm.checkpoint.named import find_named, model_folder
from ildm.checkpoint.native import MANIFEST
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import atomic_file, atomic_folder
from ildm.core.manifest import Manifest
from ildm.core.names import check_name

_INDEX = "model_index.json"
_MOST_BYTES = 64 * 2**30


def install(name: str, source: Path, *, replace: bool = False) -> Manifest:
    """Put a model into the model folder, after reading all of it.

    Args:
        name: by which it is found from now on.
        source: a model's folder, a folder or .zip archive that has one of that name inside, or a .safetensors file.
        replace: put it in the place of another one of that name.

    Returns:
        What the model says about itself.

    Raises:
        CheckpointError: when there is no model, or it is damaged.
        ConfigError: for a name that cannot be, or that is taken.
        StorageError: when there is no room; what was there before survives.
    """
    check_name(name, "a model")
    source = source.expanduser()
    if not source.exists():
        raise CheckpointError(f"There is no folder or file {source}: name the one that the model came in.")
    taken, target = find_named(name), model_folder() / (name if _holds_folder(source) else name + source.suffix.lower())
    if taken is not None and not (replace and taken == target):
        how = "give --replace" if taken == target else "choose another name"
        raise ConfigError(f"There is a model {name!r} already: {how}.")
    with tempfile.TemporaryDirectory() as room:
        found = _find(name, _unpacked(source, Path(room)))
        load(found, device="cpu")  # every weight is looked at before anything is put anywhere
        if found.is_file():
            with atomic_file(target) as temporary:
                _copy(found, temporary)
        else:
            with atomic_folder(target) as temporary:
                _copy_all(found, temporary)
    return describe(name)


def _copy(file: Path, target: Path) -> None:
    """A file's bytes. `shutil.copyfile` would lay a full disk to the file that is read, so that nobody is told of the disk."""
    with file.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, 2**20)


def _copy_all(folder: Path, target: Path) -> None:
    """All that lies in a folder, into another one that exists."""
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            (target / entry.name).mkdir()
            _copy_all(entry, target / entry.name)
        else:
            _copy(entry, target / entry.name)


def _holds_folder(source: Path) -> bool:
    """Whether a model comes as a folder: as it is, or packed."""
    return source.is_dir() or source.suffix.lower() == ".zip"


def _find(name: str, place: Path) -> Path:
    """The model in a place: the place itself, or what is called so inside."""
    if place.is_file():
        return place
    inside = [place, place / name, *(sorted(place.iterdir()) if len(list(place.iterdir())) == 1 else ())]
    for folder in inside:
        if any((folder / index).is_file() for index in (MANIFEST, _INDEX)):
            return folder
    raise CheckpointError(
        f"{place} holds no model {name!r}: expected {MANIFEST} or {_INDEX} in it or in a folder of that name inside."
    )


def _unpacked(source: Path, room: Path) -> Path:
    """An archive's content; anything else as it is.

    Raises:
        CheckpointError: for an archive that is damaged, or would write outside its folder.
    """
    if source.is_dir() or not _holds_folder(source):
        return source
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                path = PurePosixPath(entry.filename.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or ":" in entry.filename:
                    raise CheckpointError(f"{source} has an entry {entry.filename!r} that lies outside: it is not unpacked.")
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                raise CheckpointError(f"{source} would unpack to more than {_MOST_BYTES >> 30} GiB: it is not unpacked.")
            archive.extractall(room)
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{source} is no .zip archive or is damaged ({error}): fetch it again.") from error
    return room
