"""Drawings made up on the spot: every concept of a short list in every style, without any network."""

import io
import json
import random

import pytest
from PIL import Image, ImageDraw

from ildm.core.files import sha256, write_json
from ildm.data.concepts import all_concepts, find_concepts
from ildm.data.folder import ImageFolderConfig, ImageFolderDataset
from ildm.data.importing import ImportOptions, import_folder
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


class Album:
    """A person's folder of images, 40 pixels wide and high, and its import at 32 pixels under the name `mine`."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def add(self, name, caption=None, colour="red"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 40), colour).save(path)
        if caption is not None:
            path.with_suffix(".txt").write_text(caption, encoding="utf-8")
        return path

    def rows(self, *values):
        lines = (value if isinstance(value, str) else json.dumps(value) for value in values)
        (self.folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def take_in(self, **options):
        return import_folder(self.folder, "mine", ImportOptions(size=32, **options))

    def taken(self):
        return list(ImageFolderDataset(ImageFolderConfig(name="mine", size=32, split="all")))


@pytest.fixture
def album(tmp_path, empty_home):
    """An empty `Album`."""
    return Album(tmp_path / "album")
