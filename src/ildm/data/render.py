"""From a sprite set's own files to square RGBA pictures, one per concept."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from ildm.core.errors import DataError
from ildm.data.concepts import Concept
from ildm.data.packages import read_files, read_json
from ildm.data.styles import Style

# sets without code points were named before the insect came, so this slug is the bat and ball there
_OTHER_MEANING = {"cricket"}


def render(style: Style, tarball: Path, concepts: tuple[Concept, ...], side: int) -> Iterator[tuple[str, Image.Image]]:
    """The code and the picture (side x side, RGBA) of every concept that the style's package holds, one after the other."""
    if style.name == "3d":
        yield from _render_bitmaps(tarball, concepts, side)
    else:
        yield from _render_vectors(tarball, concepts, side)


def _render_bitmaps(tarball: Path, concepts: tuple[Concept, ...], side: int) -> Iterator[tuple[str, Image.Image]]:
    wanted = {spelling: concept.code for concept in concepts for spelling in _spellings(concept.code)}
    done: set[str] = set()
    for name, content in read_files(tarball, "assets/"):
        code = wanted.get(name.removesuffix(".webp"))
        if code is None or code in done:
            continue
        done.add(code)
        with Image.open(io.BytesIO(content)) as picture:
            # premultiplied, so that the colour of clear pixels does not leak into the edges
            premultiplied = picture.convert("RGBA").convert("RGBa")
        yield code, premultiplied.resize((side, side), Image.Resampling.LANCZOS).convert("RGBA")


def _render_vectors(tarball: Path, concepts: tuple[Concept, ...], side: int) -> Iterator[tuple[str, Image.Image]]:
    from resvg_py import svg_to_bytes

    icons = read_json(tarball, "icons.json")
    names = match_names(concepts, icons, read_json(tarball, "chars.json"))
    for code, name in names.items():
        png = svg_to_bytes(svg_string=_document(icons, name), width=side, height=side, skip_system_fonts=True)
        with Image.open(io.BytesIO(png)) as picture:
            yield code, picture.convert("RGBA")


def match_names(concepts: tuple[Concept, ...], icons: dict[str, Any], code_points: dict[str, str]) -> dict[str, str]:
    """Which icon of a set draws which concept: by code points where the set lists them, else by the label's slug."""
    known = icons["icons"].keys() | icons.get("aliases", {}).keys()
    found: dict[str, str] = {}
    for concept in concepts:
        if code_points:
            names = [code_points[spelling] for spelling in _spellings(concept.code) if spelling in code_points]
        else:
            names = [slug(concept.label)] if concept.label not in _OTHER_MEANING else []
        match = next((name for name in names if name in known), None)
        if match is not None:
            found[concept.code] = match
    return found


def slug(label: str) -> str:
    """A label as icon sets spell it: "woman’s hat" is "womans-hat"."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _spellings(code: str) -> tuple[str, ...]:
    # sets differ in whether they write the variation selector and leading zeros
    without = "-".join(part for part in code.split("-") if part != "fe0f")
    first, _, rest = without.partition("-")
    with_selector = f"{first}-fe0f-{rest}" if rest else f"{first}-fe0f"
    return tuple(dict.fromkeys((code, without, with_selector)))


def _document(icons: dict[str, Any], name: str) -> str:
    icon = _resolve(icons, name)
    # the sizes follow the format's own rule: the icon's, else the set's, else 16
    box = [icon.get(key, icons.get(key, default)) for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))]
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'


def _resolve(icons: dict[str, Any], name: str) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    while name not in icons["icons"]:
        alias = icons["aliases"][name]
        if {"rotate", "hFlip", "vFlip"} & alias.keys():
            raise DataError(f"The icon {name!r} is a turned copy of {alias['parent']!r}, which this builder does not draw.")
        changes = alias | changes
        name = alias["parent"]
    return icons["icons"][name] | {key: value for key, value in changes.items() if key != "parent"}
