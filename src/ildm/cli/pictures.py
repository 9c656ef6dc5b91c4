"""PNG files that carry the call which made them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from PIL import Image as PILImage
from PIL import UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ildm.core.errors import ConfigError, DataError
from ildm.core.files import atomic_file, check_writable

KEY = "ildm"


def save_picture(image: PILImage.Image, path: Path, call: dict[str, Any]) -> None:
    """Write a PNG with the call as JSON in its text, in one step.

    Raises:
        StorageError: when it cannot be written, with the reason.
    """
    text = PngInfo()
    text.add_itxt(KEY, json.dumps(call, ensure_ascii=False, allow_nan=False))
    with atomic_file(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=text)


def open_picture(path: Path) -> PILImage.Image:
    """An image file, turned upright.

    Raises:
        DataError: when it is missing or no image.
    """
    from ildm.data.picture import RefusedFile, read_picture

    if not path.is_file():
        raise DataError(f"There is no image {path}.")
    try:
        return read_picture(path, behind=(0, 0, 0))
    except RefusedFile as error:
        raise DataError(f"{path} cannot be used as an image: {error}.") from error


def read_call(path: Path) -> dict[str, Any] | None:
    """The call that a PNG of ours carries, or None. Numbers that JSON lacks, such as NaN, come as their names.

    Raises:
        DataError: when the file is no image, or what it carries is damaged.
    """
    try:
        with PILImage.open(path) as image:
            text = getattr(image, "text", {}).get(KEY)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise DataError(f"{path} cannot be read as an image ({error}).") from error
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=str)
    except ValueError as error:
        raise DataError(f"The call in {path} is damaged ({error}): only the picture itself can be used.") from error


def destinations(out: Path, prompts: list[str], seeds: list[int]) -> list[Path]:
    """One path per image: `out` itself for a single .png, else files named by prompt and seed inside the folder `out`.

    Raises:
        ConfigError: when several images are to go into one file, or `out` is a file of another kind.
        StorageError: when nothing can be written there.
    """
    if out.suffix.lower() == ".png":
        if len(prompts) > 1:
            raise ConfigError(f"{len(prompts)} images do not fit into the one file {out}: give a folder to --out.")
        check_writable(out)
        return [out]
    if out.is_file() or (out.suffix and not out.is_dir()):
        raise ConfigError(f"--out takes a .png file or a folder, but {out} was given: end the name in .png, or name a folder.")
    check_writable(out, folder=True)
    return [out / f"{_slug(prompt)}-{seed}.png" for prompt, seed in zip(prompts, seeds, strict=True)]


def _slug(prompt: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")
    return words[:60].rstrip("-") or "image"
