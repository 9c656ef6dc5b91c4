"""The sprites rendered once: one archive of lossless WebP pictures per style and resolution, with a manifest.

home()/emoji/packages/*.tgz            what was fetched
home()/emoji/<side>/<style>.zip        <code>.webp, side x side, RGBA
home()/emoji/<side>/manifest.json      digest, sprites and package of each style
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from ildm.core.errors import DataError
from ildm.core.files import atomic_file, home, sha256, write_json
from ildm.core.progress import Progress
from ildm.data.concepts import all_concepts
from ildm.data.packages import fetch
from ildm.data.render import render
from ildm.data.styles import STYLES, Style, find_style

RESOLUTIONS = (128, 256)
RENDERING = 2  # raise when the same package would render differently


def resolution_for(size: int) -> int:
    """The sprite resolution that scenes of `size` pixels are made from."""
    return next(side for side in RESOLUTIONS if side >= min(size, RESOLUTIONS[-1]))


def emoji_folder() -> Path:
    """Where fetched packages and rendered sprites live."""
    return home() / "emoji"


def sprite_folder(source: str, resolution: int) -> Path:
    """The folder with the archives: the cache's, or the sample inside this package for `source="sample"`."""
    if source == "sample":
        return Path(str(files("ildm.data").joinpath("sample")))
    return emoji_folder() / str(resolution)


def build_sprites(resolution: int, *, styles: Sequence[str] | None = None, progress: Progress | None = None) -> Path:
    """Fetch and render what is missing; what is there and whole is kept, so a second call costs nothing.

    Args:
        resolution: one of `RESOLUTIONS`, pixels.
        styles: names of `STYLES`; None = all.

    Returns:
        The folder with the archives and their manifest.

    Raises:
        DataError: when a package cannot be had or rendered.
        StorageError: when there is no room.
    """
    folder = sprite_folder("cache", resolution)
    manifest = _read(folder / "manifest.json") or {"resolution": resolution, "styles": {}}
    wanted = [find_style(name) for name in (STYLES if styles is None else styles)]
    missing = [style for style in wanted if not _whole(folder, style, manifest)]
    for number, style in enumerate(missing):
        tarball = fetch(style.package, emoji_folder() / "packages")
        manifest["styles"][style.name] = _render_style(
            style, tarball, folder, resolution, _part(progress, number, len(missing))
        )
        # after every style, so that an interrupted build goes on where it stopped
        write_json(folder / "manifest.json", manifest)
    return folder


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of rendered sprites.

    Raises:
        DataError: when nothing was built there yet.
    """
    manifest = _read(folder / "manifest.json")
    if manifest is None:
        side = folder.name if folder.name.isdigit() else RESOLUTIONS[0]
        raise DataError(f"The emoji sprites are not built yet (no manifest in {folder}): run ildm data emoji --size {side}.")
    return manifest


def write_archive(path: Path, pictures: dict[str, bytes]) -> None:
    """A zip of WebP files whose bytes depend on nothing but the pictures."""
    with atomic_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for code in sorted(pictures):
            archive.writestr(zipfile.ZipInfo(f"{code}.webp"), pictures[code])


def _part(progress: Progress | None, number: int, count: int) -> Progress:
    """The progress of one of `count` equal parts as that of the whole."""
    return lambda done, total: None if progress is None else progress(number * total + done, count * total)


def _render_style(style: Style, tarball: Path, folder: Path, resolution: int, progress: Progress) -> dict[str, Any]:
    concepts = all_concepts()
    pictures: dict[str, bytes] = {}
    for code, picture in render(style, tarball, concepts, resolution):
        file = io.BytesIO()
        picture.save(file, "WEBP", lossless=True, quality=70, method=4)
        pictures[code] = file.getvalue()
        progress(len(pictures), len(concepts))
    if not pictures:
        raise DataError(f"The package {style.package.name} {style.package.version} holds none of the concepts.")
    progress(len(concepts), len(concepts))
    write_archive(folder / f"{style.name}.zip", pictures)
    return {
        "package": style.package.name,
        "version": style.package.version,
        "licence": style.package.licence,
        "integrity": style.package.integrity,
        "rendering": RENDERING,
        "sha256": sha256(folder / f"{style.name}.zip"),
        "sprites": sorted(pictures),
    }


def _whole(folder: Path, style: Style, manifest: dict[str, Any]) -> bool:
    record, archive = manifest["styles"].get(style.name), folder / f"{style.name}.zip"
    if record is None or not archive.exists():
        return False
    current = record["integrity"] == style.package.integrity and record["rendering"] == RENDERING
    return current and sha256(archive) == record["sha256"]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged: remove it and run ildm data emoji again.") from error
