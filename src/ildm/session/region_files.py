"""Presets of regions as text and as files, see docs/regions.md: one JSON file, its masks in it or as PNG pictures beside it."""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ildm.conditioning.regional_prompter.colours import describe_colour, read_colours
from ildm.core.errors import DataError, nearest
from ildm.core.files import atomic_file
from ildm.session.mask_pictures import PictureError, open_png, png_named
from ildm.session.region_presets import FOLDER, FORMAT, VERSION, PresetRegion, RegionPreset
from ildm.session.settings import Lora
from ildm.session.wire import Mask

MAX_BYTES = 64 * 2**20
_COLOURS = "colours"


def read_preset(path: Path) -> RegionPreset:
    """The preset in a file.

    Raises:
        DataError: when there is none, or it cannot be used, with the first thing that is wrong.
    """
    return parse_preset(read_text(path), source=str(path), folder=path.parent)


def write_preset(preset: RegionPreset, path: Path) -> None:
    """Write a preset into one file, its masks in it, in one step.

    Raises:
        StorageError: when it cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(preset_text(preset), encoding="utf-8")


def preset_text(preset: RegionPreset) -> str:
    """A preset as the text of its file. What is as it would be anyway is left out."""
    told = {"format": FORMAT, "version": VERSION, **preset.model_dump(mode="json", exclude_defaults=True)}
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def parse_preset(text: str, *, source: str, folder: Path | None = None) -> RegionPreset:
    """The preset in the text of a file.

    Args:
        source: what the text is called when something is wrong with it.
        folder: where the pictures lie that it names; None = it has them in it.

    Raises:
        DataError: when it cannot be used, with the first thing that is wrong.
    """
    fields = parse_json(text, source)
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise DataError(
            f'{source} is no preset of regions: that is a JSON object with "format": "{FORMAT}", as `ildm regions export` writes it.'
        )
    version = fields.get("version")
    if isinstance(version, int) and version > VERSION:
        raise DataError(f"{source} has version {version} of presets, but this program reads up to {VERSION}: update it.")
    painted = _painted(fields, source, folder)
    try:
        return RegionPreset.model_validate(painted, context={FOLDER: folder})
    except ValidationError as error:
        raise DataError(f"{source} cannot be used as a preset of regions: {_first(error)}") from error


def read_text(path: Path) -> str:
    """The text of a JSON file.

    Raises:
        DataError: when there is no such file, it is no text, or it is too large for what it should be.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path} with regions: `ildm regions list` shows the presets that are known by name.")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path} has more than {MAX_BYTES >> 20} MB, which no preset of regions has: make its masks smaller.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text: a preset of regions is a JSON file in UTF-8.") from error


def parse_json(text: str, source: str) -> Any:
    """Any JSON.

    Raises:
        DataError: when it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{source} is no JSON ({error}): write it anew, or mend it there.") from error


def _painted(fields: dict[str, Any], source: str, folder: Path | None) -> dict[str, Any]:
    """The fields of a preset, each region with its own mask in place of the picture for all of them."""
    given, regions = fields.get(_COLOURS), fields.get("regions", [])
    fields = {name: value for name, value in fields.items() if name != _COLOURS}
    if given is None or not isinstance(regions, list) or not all(isinstance(one, dict) for one in regions):
        return fields
    if not isinstance(given, str):
        raise DataError(f"{source} cannot be used: colours is the name of a PNG or a data URI, but {reprlib.repr(given)} came.")
    for number, one in enumerate(regions, start=1):
        if one.get("box") is not None or one.get("mask") is not None:
            raise DataError(
                f"{source} cannot be used: its colours say where every region is, but region {number} says so too: take one out."
            )
    try:
        picture = open_png(png_named(given, folder))
    except PictureError as error:
        raise DataError(f"{source} cannot be used: of its colours, {error}.") from error
    masks = read_colours(picture, count=min(len(regions), 128))
    if len(masks) != len(regions):
        raise DataError(
            f"{source} cannot be used: its colours show {len(masks)} regions, but {len(regions)} are listed: list as many, in order."
        )
    for number, mask in enumerate(masks):
        if not mask.any():
            raise DataError(
                f"{source} cannot be used: region {number + 1} is nowhere in its colours: draw it in {describe_colour(number)}."
            )
    return {
        **fields,
        "regions": [{**one, "mask": Mask.from_array(mask)} for one, mask in zip(regions, masks, strict=True)],
    }


def _first(error: ValidationError) -> str:
    """The first thing that is wrong, as the end of a sentence."""
    problem = error.errors(include_url=False)[0]
    place, given = problem["loc"], reprlib.repr(problem["input"])
    match problem["type"]:
        case "extra_forbidden":
            key = str(place[-1])
            return f"{_called(place[:-1])} has the unknown key {key[:80]!r}: {nearest(key, _form(place[:-1]).model_fields)}"
        case "missing":
            return f"{_called(place[:-1])} has no {place[-1]}: add it."
        case "value_error":
            return f"in {_called(place)}, {problem.get('ctx', {}).get('error', problem['msg'])}."
    told = problem["msg"][0].lower() + problem["msg"][1:]
    return f"in {_called(place)}, {told}, but {given} came: change it."


def _called(place: tuple[Any, ...]) -> str:
    """What a place in a preset is called."""
    match place:
        case ("regions", int(number)):
            return f"region {number + 1}"
        case ("regions", int(number), *inner):
            return f"{'.'.join(map(str, inner))} of region {number + 1}"
    return ".".join(map(str, place)) or "it"


def _form(place: tuple[Any, ...]) -> type[BaseModel]:
    """Whose keys stand at a place."""
    return {0: RegionPreset, 2: PresetRegion}.get(len(place), Lora)
