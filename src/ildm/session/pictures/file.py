"""PNG files that carry the call which made them, and say it to other programs too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image as PILImage
from PIL.PngImagePlugin import PngInfo

from ildm import __version__
from ildm.core.config import to_json
from ildm.core.errors import DataError
from ildm.core.files import atomic_file
from ildm.session.pictures.parameters import KEYWORD, Parameters, format_parameters, read_parameters
from ildm.session.pictures.text import read_text

KEY = "ildm"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Of the pictures whose text is read, ours and those of other programs."""
_NOTHING: Mapping[str, str] = MappingProxyType({})


def write_picture(image: PILImage.Image, path: Path, call: dict[str, Any], beside: Mapping[str, str] = _NOTHING) -> None:
    """Write a PNG with the call as JSON in its text, in one step; a call with a prompt is there as `parameters` too.

    Args:
        beside: further texts by keyword; they are compressed.

    Raises:
        StorageError: when it cannot be written, with the reason.
    """
    text = PngInfo()
    text.add_itxt(KEY, json.dumps(call, ensure_ascii=False, allow_nan=False))
    if "prompt" in call:
        # in Latin-1 where that holds it: some readers know no other kind
        text.add_text(KEYWORD, format_parameters(_parameters(call)))
    for keyword, more in beside.items():
        text.add_text(keyword, more, zip=True)
    with atomic_file(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=text)


def read_call(path: Path) -> dict[str, Any] | None:
    """The call that a PNG of ours carries, or None. Numbers that JSON lacks, such as NaN, come as their names.

    Raises:
        DataError: when the file is no image, or what it carries is damaged.
    """
    text = read_text(path, KEY)
    if text is None:
        return None
    try:
        call = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise DataError(f"The call in {path} is damaged ({error}): only the picture itself can be used.") from error
    if not isinstance(call, dict):
        raise DataError(f"The call in {path} is damaged (a {type(call).__name__}): only the picture itself can be used.")
    return call


def read_settings(path: Path) -> tuple[dict[str, Any], bool]:
    """The settings that a picture was drawn with, and whether they are a call of ours.

    Those of other programs come by our names, what has none under `other`.

    Raises:
        DataError: when the file is no image, what it carries is damaged, or it carries no settings.
    """
    call = read_call(path)
    if call is not None:
        return call, True
    parameters = read_parameters(path)
    if parameters is None:
        raise DataError(
            f"{path} was not made by ildm and carries no settings: neither a call of `ildm generate` nor the `parameters` that "
            "other programs write."
        )
    settings = {name: value for name, value in to_json(parameters).items() if value not in (None, {})}
    width, height = settings.pop("size", (None, None))
    return settings | ({} if width is None else {"width": width, "height": height}), False


def _parameters(call: dict[str, Any]) -> Parameters:
    names = ("prompt", "negative_prompt", "num_steps", "sampler", "guidance_scale", "seed", "model")
    given = {name: call[name] for name in names if name in call}
    size = (call["width"], call["height"]) if {"width", "height"} <= call.keys() else None
    return Parameters(size=size, other={"Version": f"ildm {__version__}"}, **given)
