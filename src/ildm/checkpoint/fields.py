"""Settings that other programs wrote: none that changes the result is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ildm.core.errors import CheckpointError

Fields = Mapping[str, Any]


def check_fixed(fields: Fields, fixed: Fields, source: str) -> None:
    """See that settings that are fixed here have the value they have here.

    Raises:
        CheckpointError: when one has another; it is named.
    """
    for key, wanted in fixed.items():
        if fields.get(key, wanted) != wanted:
            raise CheckpointError(f"{source} sets {key} to {fields[key]!r}, but only {wanted!r} is supported.")


def check_known(fields: Fields, known: set[str], source: str) -> None:
    """See that every setting is known, but those that say nothing.

    Raises:
        CheckpointError: when one is not; it is named.
    """
    for key, value in fields.items():
        if key not in known and not key.startswith("_") and value not in (None, False):
            raise CheckpointError(f"{source} sets {key} to {value!r}, which this program does not know, so it is refused.")
