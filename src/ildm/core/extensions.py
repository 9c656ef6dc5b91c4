"""Samplers, conditioners, hints, metrics and checkpoint formats by name, built-in and third-party alike.

All register through entry points (`ildm.samplers`, `ildm.conditioners`, `ildm.hints`, `ildm.metrics`, `ildm.checkpoints`); a
broken extension is reported by name and skipped.
"""

from __future__ import annotations

import warnings
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from ildm.core.errors import ConfigError, nearest

Group = Literal["ildm.samplers", "ildm.conditioners", "ildm.hints", "ildm.metrics", "ildm.checkpoints"]


class BrokenExtensionWarning(UserWarning):
    """A third-party extension could not be imported."""


@cache
def _found(group: Group) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=group)}


def names(group: Group) -> list[str]:
    """The registered names of a group, sorted."""
    return sorted(_found(group))


def load(group: Group, name: str) -> Any:
    """The object registered under `name`.

    Raises:
        ConfigError: when the name is unknown (nearest match named) or its package cannot be imported.
    """
    found = _found(group)
    what = group.removeprefix("ildm.").removesuffix("s")
    if name not in found:
        raise ConfigError(f"Unknown {what} {name!r}: {nearest(name, found)}")
    try:
        return found[name].load()
    except Exception as error:
        raise ConfigError(
            f"The {what} {name!r} comes from {found[name].value!r}, which cannot be imported: {error}."
        ) from error


def load_all(group: Group) -> dict[str, Any]:
    """Every extension of a group that can be imported; each broken one is warned about by name and skipped."""
    loaded: dict[str, Any] = {}
    for name in names(group):
        try:
            loaded[name] = load(group, name)
        except ConfigError as error:
            warnings.warn(f"Skipped: {error}", BrokenExtensionWarning, stacklevel=2)
    return loaded
