"""The `parameters` text that AUTOMATIC1111's web UI, and many programs after it, write into pictures.

    a red apple, (shiny:1.2)
    Negative prompt: blurry
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 512x768, Lora hashes: "gloss: 1f2e, rind: 77aa"

Prompts are written as they are, so some texts can be read in two ways. They are read as that program reads them:

- The last line holds the settings when it has three `Key: value` pairs or more; else it belongs to the prompt before it.
- Every line that begins with `Negative prompt:` begins the negative prompt, or goes on with it, wherever it was written.
- White space around a line is lost, and so are empty lines where a prompt begins or the text ends.

It also takes a last line with three weighted words, `sky, (sea:1.2), (sand:1.1), (sun:0.9)`, for settings; no program writes
them so, and here a line of settings begins with a pair, and not with `Negative prompt:`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ildm.core.errors import ConfigError
from ildm.session.pictures.sampler_names import find_sampler, sampler_label, split_schedule
from ildm.session.pictures.text import read_comment, read_text

KEYWORD = "parameters"
FEWEST_PAIRS = 3
_NEGATIVE, _SAMPLER, _SCHEDULE = "Negative prompt:", "Sampler", "Schedule type"

# a key up to its colon, and a value that is a JSON string or goes on to the next comma
_PIECE = re.compile(r'(?P<key>[^,:]*)(?::\s*(?P<value>"[^"\\]*(?:\\.[^"\\]*)*"(?=\s*(?:,|$))|[^,]*))?\s*(?:,|$)')


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What a text says; None where it says nothing. Numbers are those of the text, and nobody has judged their bounds.

    Args:
        prompt, negative_prompt: of any number of lines.
        sampler: by our name; one that we do not have stays in `other`, under `Sampler`.
        guidance_scale: finite.
        size: (width, height), pixels, 1 or more.
        model: the name of its file, as a rule without the ending.
        strength: of image-to-image, as a rule in [0, 1].
        other: further settings by their keys, and those whose values cannot be read.
    """

    prompt: str = ""
    negative_prompt: str = ""
    num_steps: int | None = None
    sampler: str | None = None
    guidance_scale: float | None = None
    seed: int | None = None
    size: tuple[int, int] | None = None
    model: str | None = None
    strength: float | None = None
    other: Mapping[str, str] = field(default_factory=dict[str, str])


def read_parameters(path: Path) -> Parameters | None:
    """What a picture carries: text of a PNG, or an EXIF comment of a JPEG, WebP or PNG; None where there is nothing.

    A comment with nothing but words is a camera's, and a text in JSON is of programs that have another form.

    Raises:
        DataError: when the file is missing or no image.
    """
    text = read_text(path, KEYWORD)
    if text is not None:
        return None if _is_json(text) else parse_parameters(text)
    comment = read_comment(path)
    return None if comment is None else parameters_in(comment)


def parameters_in(comment: str) -> Parameters | None:
    """What an EXIF comment says; None where it is a camera's."""
    if _is_json(comment):
        return None
    parameters = parse_parameters(comment)
    return None if parameters == Parameters(prompt=parameters.prompt) else parameters


def parse_parameters(text: str) -> Parameters:
    """Read a text, however odd: what cannot be read as a setting stays in `other`, or in the prompt."""
    *lines, last = text.strip().split("\n")
    if not _is_settings(last):
        lines, last = [*lines, last], ""
    prompt, negative_prompt = _split_prompts(lines)
    values = _read_line(last)
    read = {name: setting.read(values[setting.key]) for name, setting in _SETTINGS.items() if setting.key in values}
    known = {name: value for name, value in read.items() if value is not None}
    for name, setting in _SETTINGS.items():
        if name in known or not values.get(setting.key):
            values.pop(setting.key, None)
    return Parameters(prompt=prompt, negative_prompt=negative_prompt, other=values, **known)


def format_parameters(parameters: Parameters) -> str:
    """The text of some parameters, which `parse_parameters` reads back.

    A line of settings that is too short to be known as one is filled up with settings that have no value; so is an empty one
    below a prompt whose last line would be taken for it.

    Raises:
        ConfigError: when a key of `other` holds a comma, a colon or a line break, or has white space around it.
    """
    given = {setting: getattr(parameters, name) for name, setting in _SETTINGS.items()}
    known = {setting.key: "" if value is None else setting.write(value) for setting, value in given.items()}
    pairs = {key: value for key, value in known.items() if value}
    for key, value in parameters.other.items():
        if key != key.strip() or any(mark in key for mark in ",:\n"):
            raise ConfigError(
                f"The name of a setting has no comma, colon, line break or space around it, but {key!r} was given."
            )
        pairs.setdefault(_spelled(key), value)
    negative = f"\n{_NEGATIVE} {parameters.negative_prompt}" if parameters.negative_prompt else ""
    words = f"{parameters.prompt}{negative}"
    mistakable = _is_settings(words.strip().rpartition("\n")[2])
    if (pairs or mistakable) and not _is_settings(_write_line(pairs)):
        pairs = {**known, **pairs}
    return f"{words}\n{_write_line(pairs)}".strip()


@dataclass(frozen=True)
class _Setting:
    """A setting that has a field of its own: its key, and how its value is read and written. `read` gives None for no value."""

    key: str
    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _read_whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _read_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_size(text: str) -> tuple[int, int] | None:
    sides = re.fullmatch(r"\s*([0-9]{1,9})\s*[x\xd7]\s*([0-9]{1,9})\s*", text, re.IGNORECASE)
    if sides is None or not int(sides[1]) or not int(sides[2]):
        return None
    return int(sides[1]), int(sides[2])


def _write_number(number: float) -> str:
    return repr(float(number)).removesuffix(".0")


_SETTINGS = {
    "num_steps": _Setting("Steps", _read_whole, str),
    "sampler": _Setting(_SAMPLER, find_sampler, sampler_label),
    "guidance_scale": _Setting("CFG scale", _read_number, _write_number),
    "seed": _Setting("Seed", _read_whole, str),
    "size": _Setting("Size", _read_size, lambda size: f"{size[0]}x{size[1]}"),
    "model": _Setting("Model", lambda text: text or None, str),
    "strength": _Setting("Denoising strength", _read_number, _write_number),
}
_SPELLINGS = {setting.key.casefold(): setting.key for setting in _SETTINGS.values()}


def _spelled(key: str) -> str:
    """A key as it is usual: programs differ in its capitals."""
    return _SPELLINGS.get(key.casefold(), key)


def _split_prompts(lines: list[str]) -> tuple[str, str]:
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in map(str.strip, lines):
        if line.startswith(_NEGATIVE):
            into = negative
            line = line.removeprefix(_NEGATIVE).strip()
        into.append(line)
    return "\n".join(prompt).lstrip("\n"), "\n".join(negative).lstrip("\n")


def _read_line(line: str) -> dict[str, str]:
    """The settings of a line by their keys, the last of each; a bare word is its own value."""
    values = {_spelled(key): key if value is None else _unquoted(value) for key, value in _pieces(line)}
    sampler, schedule = split_schedule(values.get(_SAMPLER, ""))
    if schedule is not None:
        values = {_SCHEDULE: schedule, **values, _SAMPLER: sampler}
    return values


def _write_line(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"{key}: {_quoted(value)}" for key, value in pairs.items())


def _pieces(line: str) -> Iterator[tuple[str, str | None]]:
    for piece in _PIECE.finditer(line):
        key, value = piece["key"].strip(), piece["value"]
        if key or value is not None:
            yield key, value


def _is_settings(line: str) -> bool:
    pairs = [value is not None and key[:1].isalnum() for key, value in _pieces(line)]
    return sum(pairs) >= FEWEST_PAIRS and pairs[0] and not line.strip().startswith(_NEGATIVE)


def _quoted(value: str) -> str:
    plain = value and value == value.strip() and not value.startswith('"') and not any(mark in value for mark in ",:\n")
    return value if plain else json.dumps(value, ensure_ascii=False)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
