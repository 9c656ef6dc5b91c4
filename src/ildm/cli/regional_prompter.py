"""Regional Prompter's files of presets, as `ildm regions import` takes them: with the prompts that they do not have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ildm.core.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from PIL.Image import Image

    from ildm.conditioning.regional_prompter import Preset
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
        chosen = _choose(read_presets(text), file, preset)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    if prompt is None:
        raise ConfigError(
            f"The presets in {file} are Regional Prompter's, which have no prompts: give them with --prompt, BREAK between them."
        )
    colours = _colours(file, chosen, mask) if chosen.settings.mode == "mask" else None
    return preset_from_division(chosen.settings.read(prompt, negative_prompt or "", mask=colours), chosen.name[:200])


def _choose(presets: list[Preset], file: Path, name: str | None) -> Preset:
    names = [one.name for one in presets]
    if name is None and len(presets) == 1:
        return presets[0]
    if not presets:
        raise DataError(f"There is no preset in {file}: choose another file.")
    if name is None:
        raise ConfigError(f"There are {len(presets)} presets in {file}, so say which one with --preset: {', '.join(names)}.")
    if name not in names:
        raise ConfigError(f"There is no preset {name!r} in {file}: {nearest(name, names)}")
    return presets[names.index(name)]


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
