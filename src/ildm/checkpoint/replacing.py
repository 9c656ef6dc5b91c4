"""Whether a model may be written where something stands already: nothing but a model is ever thrown away for it."""

from __future__ import annotations

from pathlib import Path

from ildm.checkpoint.diffusers import INDEX
from ildm.checkpoint.diffusers_folder import read_config
from ildm.checkpoint.native import MANIFEST, PREVIEW, read_manifest
from ildm.checkpoint.portable import PORTABLE_FILE
from ildm.checkpoint.single_file import SUFFIX
from ildm.core.errors import ConfigError
from ildm.core.files import check_named, holds_something


def check_room(target: Path, *, replace: bool) -> None:
    """See that a model can be written to `target` without a loss that nobody asked for.

    Args:
        target: the folder or file to be written.
        replace: a model that stands there, and nothing besides, may be thrown away.

    Raises:
        CheckpointError: when what stands there is a model whose description is damaged.
        ConfigError: when something stands there that may not be thrown away.
        StorageError: for a path that ends in no name.
    """
    check_named(target)
    if not holds_something(target):
        return
    stranger = _stranger(target)
    if stranger is not None:
        instead = "a new or an empty folder" if target.is_dir() else "another name"
        raise ConfigError(f"{target} already holds something that is no part of a model ({stranger}): give {instead}.")
    if not replace:
        raise ConfigError(f"There is a model at {target} already: give --replace, or another place to write to.")


def _stranger(target: Path) -> str | None:
    """The first thing there that is no part of a model; None = there is a model and nothing else."""
    if target.is_file():
        return None if target.suffix.lower() == SUFFIX else target.name
    known: set[str] = set()
    if (target / MANIFEST).is_file():
        known = {MANIFEST, PREVIEW, *read_manifest(target).files}
    elif (target / INDEX).is_file():
        known = {INDEX, PORTABLE_FILE, PREVIEW, *read_config(target, INDEX)}
    return next((path.name for path in sorted(target.iterdir()) if path.name not in known), None)
