"""Regional Prompter's files of presets, as `ildm regions import` takes them: with the prompts that they do not have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ildm.cli.printable import printable
from ildm.core.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image

    from ildm.conditioning.regional_prompter import Preset, UnreadPreset
    from ildm.session.region_presets import RegionPreset

_MASKS = "regional_masks"


def read_chosen(
    file: Path, *, preset: str | None, prompt: str | None, negative_prompt: str | None, mask: Path | None
) -> RegionPreset | None:
    """One preset of a file of Regional Prompter's; None when the file is of another kind.

    Args:
        preset: its name; None = the only one.
        prompt, negative_prompt: the texts that it divides a picture among.
        mask: a picture in Regional Prompter's colours; None = the one that lies beside the file.

    Raises:
        ConfigError: when nothing says which one, or the prompts do not fit it.
        DataError: when a file cannot be read.
    """
    from ildm.conditioning.regional_prompter import read_presets
    from ildm.session.region_files import parse_json, read_text
    from ildm.session.region_library import SESSION_SUFFIXES
    from ildm.session.region_presets import preset_from_division

    if file.suffix.lower() in SESSION_SUFFIXES:
        return None
    text = read_text(file)
    if not isinstance(parse_json(text, str(file)), list):
        return None
    try:
        entries = read_presets(text)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    chosen = _choose(entries, file, preset)
    if prompt is None:
        raise ConfigError(
            f"The presets in {file} are Regional Prompter's, which have no prompts: give them with --prompt, BREAK between them."
        )
    colours = _colours(file, chosen, mask) if chosen.settings.mode == "mask" else None
    return preset_from_division(chosen.settings.read(prompt, negative_prompt or "", mask=colours), chosen.name[:200])


def _choose(entries: Sequence[Preset | UnreadPreset], file: Path, name: str | None) -> Preset:
    """The preset of that name; None = the only one that can be used, and what is wrong with the others is told."""
    from ildm.conditioning.regional_prompter import UnreadPreset

    named = [one for one in entries if name in (None, one.name)]
    usable = [one for one in named if not isinstance(one, UnreadPreset)]
    unread = [one for one in named if isinstance(one, UnreadPreset)]
    if not entries:
        raise DataError(f"There is no preset in {file}: choose another file.")
    if not named:
        raise ConfigError(
            f"There is no preset {name!r} in {file}: {nearest(str(name), [one.name for one in entries if one.name])}"
        )
    if not usable:
        raise DataError(f"{file}: {unread[0].problem}")
    if name is None and len(usable) > 1:
        names = ", ".join(one.name for one in usable)
        raise ConfigError(f"There are {len(usable)} presets in {file}, so say which one with --preset: {names}.")
    for one in unread if name is None else ():
        typer.echo(printable(f"ildm: {file}: {one.problem}"), err=True)
    return usable[0]


def _colours(file: Path, preset: Preset, mask: Path | None) -> Image:
    from ildm.cli.pictures import open_picture
    from ildm.session.mask_pictures import PictureError, open_png, png_named

    if mask is not None:
        return open_picture(mask)
    try:
        return open_png(png_named(f"{_MASKS}/{preset.name}.png", file.parent))
    except PictureError as error:
        raise DataError(
            f"The preset {preset.name!r} in {file} is given by a mask, but {error}: give it with --mask."
        ) from error
