"""Drawings made up on the spot: every concept of a short list in every style, without any network."""

import io
import random

import pytest
from PIL import Image, ImageDraw

from ildm.core.files import sha256, write_json
from ildm.data.concepts import all_concepts, find_concepts
from ildm.data.sprite_cache import sprite_folder, write_archive
from ildm.data.styles import STYLES

# a stretch of the table, so that some lose a style and some may not meet
CONCEPTS = tuple(concept.label for concept in all_concepts()[280:320])


def draw_sprite(seed):
    """A lopsided blob in a colour of its own, as WebP bytes."""
    rng = random.Random(seed)
    picture = Image.new("RGBA", (128, 128))
    colour = (*(rng.randrange(256) for _ in range(3)), 255)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((10, 14, 60 + rng.randrange(60), 60 + rng.randrange(60)), fill=colour)
    pen.rectangle((50, 40, 110, 55), fill=colour)
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=True)
    return file.getvalue()


@pytest.fixture(scope="session")
def emoji_home(tmp_path_factory):
    """A home with such drawings built."""
    home = tmp_path_factory.mktemp("emoji-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ILDM_HOME", str(home))
        folder = sprite_folder("cache", 128)
        styles = {}
        for name in STYLES:
            pictures = {concept.code: draw_sprite(f"{name} {concept.code}") for concept in find_concepts(CONCEPTS)}
            write_archive(folder / f"{name}.zip", pictures)
            package = STYLES[name].package
            styles[name] = {
                "package": package.name,
                "version": package.version,
                "licence": package.licence,
                "sha256": sha256(folder / f"{name}.zip"),
                "sprites": sorted(pictures),
            }
        write_json(folder / "manifest.json", {"resolution": 128, "styles": styles})
    return home


@pytest.fixture
def at_emoji_home(emoji_home, monkeypatch):
    """`ILDM_HOME` is the home with drawings."""
    monkeypatch.setenv("ILDM_HOME", str(emoji_home))
    return emoji_home


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    """`ILDM_HOME` is a folder that is not there yet."""
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
