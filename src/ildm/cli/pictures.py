"""Picture files as the command line takes and names them."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image as PILImage

from ildm.core.errors import ConfigError, DataError
from ildm.core.files import check_writable


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


def open_numbers(path: Path) -> PILImage.Image:
    """An image file whose pixels are numbers and not colours, as it is.

    Raises:
        DataError: when it is missing, no image, or has more than one channel.
    """
    from ildm.data.picture import RefusedFile, read_numbers

    if not path.is_file():
        raise DataError(f"There is no image {path}.")
    try:
        return read_numbers(path)
    except RefusedFile as error:
        raise DataError(f"{path} cannot be used as a map, whose pixels are the numbers of classes: {error}.") from error


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
