"""Sprites in memory: cropped to what is drawn, premultiplied, decoded on first use."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ildm.core.errors import DataError
from ildm.data.backgrounds import COLOURS
from ildm.data.sprite_cache import read_manifest

_NEAR = 70.0  # Euclidean RGB distance under which an edge is hard to see
_SOLID = [255 * (alpha >= 128) for alpha in range(256)]


@dataclass(frozen=True, kw_only=True)
class Sprite:
    """One drawing.

    Args:
        picture: cropped to what is drawn; the four channels are premultiplied red, green, blue, and alpha.
        hidden: for each colour of `COLOURS`, the share of the outline, in [0, 1], that would vanish on it.
    """

    picture: Image.Image
    hidden: dict[str, float]


class SpriteStore:
    """The sprites of one folder of archives, by style and code. Safe to fork and to pickle.

    Args:
        folder: with one archive per style and a manifest.
        longest: the longest side, in pixels, that a sprite is ever drawn at; larger drawings are scaled down to it once.
    """

    def __init__(self, folder: Path, longest: int) -> None:
        self._folder = folder
        self._longest = longest
        self._manifest = read_manifest(folder)["styles"]
        self._archives: dict[str, dict[str, bytes]] = {}
        self._decoded: dict[tuple[str, str], Sprite] = {}

    @property
    def fingerprint(self) -> str:
        """A hash of every archive's digest."""
        digests = {name: record["sha256"] for name, record in sorted(self._manifest.items())}
        return hashlib.sha256(json.dumps(digests).encode()).hexdigest()

    def codes(self, style: str) -> frozenset[str]:
        """The codes that a style has sprites for; none for a style that was not built."""
        return frozenset(self._manifest.get(style, {}).get("sprites", ()))

    def get(self, style: str, code: str) -> Sprite:
        """The sprite of `code` in `style`.

        Raises:
            DataError: when the archive or the sprite is missing or damaged.
        """
        sprite = self._decoded.get((style, code))
        if sprite is None:
            sprite = self._decoded[style, code] = self._decode(style, code)
        return sprite

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_archives": {}, "_decoded": {}}

    def _decode(self, style: str, code: str) -> Sprite:
        if style not in self._archives:
            self._archives[style] = self._read_archive(style)
        content = self._archives[style].get(code)
        if content is None:
            raise DataError(f"The style {style!r} has no sprite {code!r} in {self._folder}: run ildm data emoji again.")
        with Image.open(io.BytesIO(content)) as stored:
            picture = stored.convert("RGBA")
        picture = picture.crop(picture.getchannel("A").point(_SOLID).getbbox())
        longest = max(picture.size)
        if longest > self._longest:
            width, height = (max(1, round(side * self._longest / longest)) for side in picture.size)
            picture = picture.convert("RGBa").resize((width, height), Image.Resampling.BOX).convert("RGBA")
        pixels = np.asarray(picture)
        premultiplied = np.asarray(Image.frombytes("RGBX", picture.size, picture.convert("RGBa").tobytes()))
        return Sprite(picture=Image.fromarray(premultiplied, "RGBX"), hidden=_hidden_shares(pixels))

    def _read_archive(self, style: str) -> dict[str, bytes]:
        # whole, because a shared file position would tear reads of forked workers apart
        try:
            with zipfile.ZipFile(self._folder / f"{style}.zip") as archive:
                return {name.removesuffix(".webp"): archive.read(name) for name in archive.namelist()}
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(
                f"The sprites of {style!r} in {self._folder} are missing or damaged: run ildm data emoji again."
            ) from error


def _hidden_shares(pixels: NDArray[np.uint8]) -> dict[str, float]:
    solid = np.pad(pixels[..., 3] >= 128, 2)
    inner = solid[4:, 2:-2] & solid[:-4, 2:-2] & solid[2:-2, 4:] & solid[2:-2, :-4]
    outline = pixels[solid[2:-2, 2:-2] & ~inner][:, :3].astype(np.float32)
    colours = np.array(list(COLOURS.values()), dtype=np.float32)
    distances = np.linalg.norm(outline[:, None] - colours[None], axis=-1)
    shares = (distances < _NEAR).mean(axis=0)
    return dict(zip(COLOURS, shares.tolist(), strict=True))
