"""Regional Prompter's file of presets, `regional_prompter_presets.json`."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ildm.conditioning.regional_prompter.division import Calculation
from ildm.conditioning.regional_prompter.reading import Mode
from ildm.conditioning.regional_prompter.settings import Settings
from ildm.core.errors import DataError, nearest

_MODES: dict[str, Mode] = {
    "columns": "columns",
    "rows": "rows",
    "mask": "mask",
    "prompt": "prompt",
    "prompt-ex": "prompt-ex",
    "horizontal": "columns",
    "vertical": "rows",
}
Choice = TypeVar("Choice", bound=str)
_CALCULATIONS: dict[str, Calculation] = {"attention": "attention", "latent": "latent"}
_KEEP_AND = "disable convert 'AND' to 'BREAK'"
_ELSEWHERE = {"lnter", "lnur", "lstop", "lstop_hr", "polymask"}  # adapters, and the mask, which is a file of its own
_READ = {"name", "mode", "ratios", "baseratios", "usebase", "usecom", "usencom", "calcmode", "nchangeand", "threshold", "flip"}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings by a name. The mask of one whose mode is `mask` lies beside the file, in `regional_masks/{name}.png`."""

    name: str
    settings: Settings


@dataclass(frozen=True, kw_only=True)
class UnreadPreset:
    """One that cannot be used.

    Args:
        name: empty = it has none.
        problem: why, as a sentence.
    """

    name: str
    problem: str


def read_presets(text: str) -> list[Preset | UnreadPreset]:
    """The presets in a file of Regional Prompter's, in its order; one that cannot be used does not keep the others from it.

    Older files are read too: with `Horizontal` and `Vertical` for the modes `columns` and `rows`, without the keys that came later,
    and with a list of ticked options in `nchangeand`. What concerns adapters is not kept.

    Args:
        text: JSON, a list with an object for each preset.

    Raises:
        DataError: when the text is no such list.
    """
    try:
        entries = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"The presets are no JSON ({error}): choose a file like regional_prompter_presets.json.") from error
    if not isinstance(entries, list):
        raise DataError(
            "A file of presets is a list with an object for each, but this one is something else: choose another file."
        )
    return [_read_entry(entry, number) for number, entry in enumerate(entries, start=1)]


def _read_entry(entry: Any, number: int) -> Preset | UnreadPreset:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name.strip():
        problem = f"Each preset is an object with a name, but number {number} is none: give it one or take it out."
        return UnreadPreset(name="", problem=problem)
    try:
        return _read_preset(entry, name.strip())
    except DataError as error:
        return UnreadPreset(name=name.strip(), problem=str(error))


def _read_preset(entry: dict[str, Any], name: str) -> Preset:
    unknown = next((key for key in entry if key not in _READ | _ELSEWHERE), None)
    if unknown is not None:
        raise DataError(f"Preset {name!r} has the unknown key {reprlib.repr(unknown)}: {nearest(unknown, _READ)}")
    return Preset(
        name=name,
        settings=Settings(
            ratios=_text(entry, name, "ratios", ""),
            mode=_choice(entry, name, "mode", _MODES, None),
            flip=_flag(entry, name, "flip"),
            base_ratios=_text(entry, name, "baseratios", ""),
            use_base=_flag(entry, name, "usebase"),
            use_common=_flag(entry, name, "usecom"),
            use_common_negative=_flag(entry, name, "usencom"),
            keep_and=_keeps_and(entry, name),
            threshold=_text(entry, name, "threshold", "0.4"),
            calculation=_choice(entry, name, "calcmode", _CALCULATIONS, "attention"),
        ),
    )


def _text(entry: dict[str, Any], name: str, key: str, default: str) -> str:
    """Numbers as they are typed; a single one may be a number in the file."""
    value = entry.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _refusal(name, key, value, "a string of numbers as in '1,2,1'")
    return str(value)


def _choice(entry: dict[str, Any], name: str, key: str, known: dict[str, Choice], default: Choice | None) -> Choice:
    value = entry.get(key, default)
    chosen = known.get(value.strip().lower()) if isinstance(value, str) else None
    if chosen is None:
        raise _refusal(name, key, value, _listed(list(known)))
    return chosen


def _flag(entry: dict[str, Any], name: str, key: str) -> bool:
    value = entry.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise _refusal(name, key, value, "true or false")


def _keeps_and(entry: dict[str, Any], name: str) -> bool:
    value = entry.get("nchangeand")
    return _KEEP_AND in value if isinstance(value, list) else _flag(entry, name, "nchangeand")


def _refusal(name: str, key: str, value: Any, expected: str) -> DataError:
    return DataError(
        f"Preset {name!r} has {reprlib.repr(value)} for {key!r}, expected {expected}: change it or take the preset out."
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
