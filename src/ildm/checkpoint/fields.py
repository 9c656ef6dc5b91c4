"""Settings that other programs wrote: none that changes the result is passed over, and none is taken for what it is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NoReturn

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


def whole(fields: Fields, key: str, default: int, source: str) -> int:
    """A whole number of at least 1.

    Raises:
        CheckpointError: when it is none, here as in what follows.
    """
    return _whole(fields.get(key, default), key, "a whole number above 0", source)


def whole_or_none(fields: Fields, key: str, source: str) -> int | None:
    """The same, or nothing. A list that says one number over and over, as diffusers takes it for every level, is that number."""
    value = fields.get(key)
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        value = value[0]
    return None if value is None else _whole(value, key, "one whole number above 0", source)


def wholes(fields: Fields, key: str, default: tuple[int, ...], source: str) -> tuple[int, ...]:
    """A list of whole numbers of at least 1."""
    value, wanted = fields.get(key, default), "a list of whole numbers above 0"
    if not isinstance(value, list | tuple) or not value:
        _refuse(key, value, wanted, source)
    return tuple(_whole(one, key, wanted, source) for one in value)


def wholes_per_level(fields: Fields, key: str, default: int, levels: int, source: str) -> tuple[int, ...]:
    """A whole number of at least 1 for each level, or one for all."""
    value = fields.get(key, default)
    if not isinstance(value, list | tuple):
        return (_whole(value, key, "a whole number above 0, or one for each level,", source),) * levels
    if len(value) != levels:
        _refuse(key, value, f"one whole number for each of {levels} levels", source)
    return wholes(fields, key, (), source)


def number(fields: Fields, key: str, default: float, source: str) -> float:
    """A finite number."""
    return _number(fields.get(key, default), key, "a number", source)


def numbers_or_none(fields: Fields, key: str, source: str) -> tuple[float, ...] | None:
    """A list of finite numbers, or nothing."""
    value, wanted = fields.get(key), "a list of numbers"
    if value is not None and not isinstance(value, list | tuple):
        _refuse(key, value, wanted, source)
    return None if value is None else tuple(_number(one, key, wanted, source) for one in value)


def words(fields: Fields, key: str, source: str) -> tuple[str, ...]:
    """A list of texts; nothing is an empty one."""
    value = fields.get(key)
    if value is not None and not (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)):
        _refuse(key, value, "a list of names", source)
    return tuple(value or ())


def _whole(value: Any, key: str, wanted: str, source: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1 or value < 1:
        _refuse(key, value, wanted, source)
    return int(value)


def _number(value: Any, key: str, wanted: str, source: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse(key, value, wanted, source)
    return float(value)


def _refuse(key: str, value: Any, wanted: str, source: str) -> NoReturn:
    raise CheckpointError(f"{source} sets {key} to {value!r}, but {wanted} is expected: fetch the model again.")
