"""Configuration: frozen dataclasses to JSON and back, and typed `key.path=value` overrides.

An unknown key is an error that names the nearest match; nothing is ignored in silence.
"""

from __future__ import annotations

import json
import math
import reprlib
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ildm.core.errors import ConfigError, nearest

Config = TypeVar("Config")


def to_json(config: Any) -> Any:
    """A frozen dataclass as plain JSON values; one whose class has a `kind` carries it, so that a union can be read back."""
    if is_dataclass(config):
        values = {field.name: to_json(getattr(config, field.name)) for field in fields(config)}
        kind = getattr(type(config), "kind", None)
        return {"kind": kind, **values} if isinstance(kind, str) else values
    if isinstance(config, Mapping):
        return {str(key): to_json(value) for key, value in cast("Mapping[Any, Any]", config).items()}
    if isinstance(config, list | tuple):
        return [to_json(value) for value in cast("Sequence[Any]", config)]
    return config


def from_json(kind: type[Config], values: Mapping[str, Any], *, where: str = "configuration") -> Config:
    """Build the dataclass `kind` from JSON values; missing keys take their defaults.

    Raises:
        ConfigError: for an unknown key (nearest match named), a missing one without a default, or a value of the wrong type.
    """
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]
    if "kind" not in known and "kind" in values and values["kind"] == getattr(kind, "kind", None):
        values = {key: value for key, value in values.items() if key != "kind"}
    for key in values:
        if key not in known:
            raise ConfigError(f"Unknown key {key!r} in {where}: {nearest(key, known)}")
    read = {key: _convert(value, hints[key], f"{where}.{key}") for key, value in values.items()}
    for name, field in known.items():
        if name not in read and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"The key {name!r} is missing in {where}.")
    return _construct(kind, read)


def override(config: Config, assignments: Sequence[str], *, derived: Mapping[str, str] | None = None) -> Config:
    """Apply `path.to.key=value` assignments, each value parsed by the type of its field, then judge the whole.

    Args:
        derived: keys that follow from others, and from which; they cannot be assigned.

    Raises:
        ConfigError: for text without "=", an unknown key (nearest match named), a value of the wrong type, or a derived key.
    """
    tree: _Tree = {}
    for assignment in assignments:
        path, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals:
            raise ConfigError(f"An override reads key=value, but {assignment!r} was given, as in stage_one.steps=100.")
        if derived and path in derived:
            raise ConfigError(f"{path} follows from {derived[path]}: set that.")
        _plant(tree, path, text)
    return _apply(config, tree)


@dataclass(frozen=True)
class _Leaf:
    text: str
    path: str


_Tree = dict[str, Any]  # to a `_Leaf`, or to a tree of its own


def _plant(tree: _Tree, path: str, text: str) -> None:
    *groups, last = path.split(".")
    for key in groups:
        branch = tree.setdefault(key, {})
        if isinstance(branch, _Leaf):
            raise ConfigError(f"Both {branch.path!r} and {path!r} were given: set the whole or a part of it.")
        tree = branch
    if isinstance(tree.get(last), dict):
        raise ConfigError(f"Both {path!r} and a part of it were given: set the whole or a part of it.")
    tree[last] = _Leaf(text, path)


def _apply(config: Any, tree: _Tree, where: str = "") -> Any:
    """A configuration with all changes below it, made at once: one change may need another to be valid."""
    values, hints = _values(config), get_type_hints(cast("type[Any]", type(config)))
    for key, change in tree.items():
        path = f"{where}.{key}".lstrip(".")
        if key not in values:
            raise ConfigError(f"Unknown key {key!r} in {path!r}: {nearest(key, values)}")
        current = values[key]
        if isinstance(change, _Leaf):
            values[key] = _assigned(current, change, hints[key])
        elif is_dataclass(current):
            values[key] = _apply(current, change, path)
        else:
            raise ConfigError(f"{key!r} in {path!r} is a plain value, so it has no key {next(iter(change))!r}.")
    return _construct(type(config), values)


def _assigned(current: Any, leaf: _Leaf, hint: Any) -> Any:
    value = _unquoted(leaf.text) if hint is str else _parse(leaf.text)
    is_group = is_dataclass(current) and not isinstance(current, type)
    if is_group and not (value is None and type(None) in get_args(hint)):
        inside = ", ".join(field.name for field in fields(current))
        raise ConfigError(f"{leaf.path!r} is a group of keys, not a value: set one of {inside}.")
    return _convert(value, hint, leaf.path)


def _values(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(config)}


def _construct(kind: Any, values: dict[str, Any]) -> Any:
    # __post_init__ may judge values with ConfigError of its own
    return kind(**values)


def _parse(text: str) -> Any:
    if "," in text and not text.startswith(("[", "{", '"')):
        return [_parse(part.strip()) for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or a number or brackets beyond what Python reads
        return {"True": True, "False": False, "None": None}.get(text, text)


def _unquoted(text: str) -> str:
    """Text as it was given, commas and all; in JSON's quotes, what they hold."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(value, arguments, where)
    if origin is Literal:
        if value not in arguments:
            choices = [str(choice) for choice in arguments]
            raise ConfigError(f"{where} is one of {', '.join(choices)}, not {value!r}: {nearest(str(value), choices)}")
        return value
    if origin in (tuple, list, Sequence):
        return _convert_sequence(value, arguments, where)
    if origin in (dict, Mapping):
        return _convert_mapping(value, arguments, where)
    if is_dataclass(hint):
        if is_dataclass(value):
            return value
        if not isinstance(value, Mapping):
            raise _wrong_type(where, "a group of keys", value)
        return from_json(hint, value, where=where)  # type: ignore[arg-type]
    return _convert_plain(value, hint, where)


def _convert_union(value: Any, arguments: tuple[Any, ...], where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    options = [argument for argument in arguments if argument is not type(None)]
    if isinstance(value, Mapping) and "kind" in value:
        options = [option for option in options if getattr(option, "kind", None) == value["kind"]] or options
    problem: ConfigError | None = None
    for option in options:
        try:
            return _convert(value, option, where)
        except ConfigError as error:
            problem = problem or error
    raise problem or _wrong_type(where, "nothing", value)


def _convert_sequence(value: Any, arguments: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    parts = [value] if isinstance(value, str) or not isinstance(value, Sequence) else list(cast("Sequence[Any]", value))
    if arguments and arguments[-1] is not Ellipsis and len(arguments) > 1:
        if len(arguments) != len(parts):
            raise _wrong_type(where, f"{len(arguments)} values", parts)
        return tuple(_convert(part, hint, where) for part, hint in zip(parts, arguments, strict=True))
    inner = arguments[0] if arguments else Any
    return tuple(_convert(part, inner, where) for part in parts)


def _convert_mapping(value: Any, arguments: tuple[Any, ...], where: str) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _wrong_type(where, "a group of keys", value)
    inner = arguments[1] if arguments else Any
    parts = cast("Mapping[Any, Any]", value)
    return {key: _convert(part, inner, f"{where}.{key}") for key, part in parts.items()}


def _convert_plain(value: Any, hint: Any, where: str) -> Any:
    if hint is Any:
        return value
    if hint is bool:
        if isinstance(value, bool):
            return value
        raise _wrong_type(where, "true or false", value)
    if hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise _wrong_type(where, "a whole number", value)
    if hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value):
            return float(value)
        raise _wrong_type(where, "a number", value)
    if hint is str:
        return value if isinstance(value, str) else str(value)
    raise _wrong_type(where, str(hint), value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float holds
        return False


def _wrong_type(where: str, expected: str, value: Any) -> ConfigError:
    return ConfigError(f"{where} takes {expected}, but {reprlib.repr(value)} was given.")
