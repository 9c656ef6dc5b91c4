"""Sprites are rendered once, checked when read, and keep their shape."""

import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from ildm.core.errors import DataError
from ildm.data import sprite_cache
from ildm.data.card import write_card
from ildm.data.concepts import all_concepts, concepts_by_label
from ildm.data.render import match_names, slug
from ildm.data.sprite_cache import build_sprites, read_manifest, resolution_for, sprite_folder
from ildm.data.sprites import SpriteStore
from ildm.data.styles import STYLES

SQUARE = '<path fill="#ff0000" d="M8 8h16v16H8z"/>'
ICONS = {"width": 32, "height": 32, "icons": {"red-apple": {"body": SQUARE}}, "aliases": {"rocket": {"parent": "red-apple"}}}
STYLES_TO_BUILD = ("flat", "blob")
CODE = concepts_by_label()["red apple"].code


def write_package(path, chars):
    with tarfile.open(path, "w:gz") as archive:
        for name, value in (("icons.json", ICONS), ("chars.json", chars)):
            content = json.dumps(value).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def fetched(empty_home, tmp_path, monkeypatch):
    """Two packages with two icons each, one with code points and one without; the names of those that were fetched."""
    names = []

    def fetch(package, folder):
        names.append(package.name)
        chars = {"1f34e": "red-apple", "1f680": "rocket"} if package == STYLES["flat"].package else {}
        return write_package(tmp_path / package.file_name, chars)

    monkeypatch.setattr(sprite_cache, "fetch", fetch)
    return names


def test_sprites_are_rendered_once(fetched):
    steps = []
    folder = build_sprites(128, styles=STYLES_TO_BUILD, progress=lambda done, total: steps.append((done, total)))
    assert folder == sprite_folder("cache", 128)
    assert {style: len(record["sprites"]) for style, record in read_manifest(folder)["styles"].items()} == {
        "flat": 2,
        "blob": 2,
    }
    assert steps[-1] == (2 * 861, 2 * 861)
    assert steps == sorted(steps)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    build_sprites(128, styles=STYLES_TO_BUILD)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert len(fetched) == 2


def test_only_what_is_missing_or_damaged_is_made_again(fetched):
    folder = build_sprites(128, styles=STYLES_TO_BUILD)
    whole = (folder / "blob.zip").read_bytes()
    (folder / "blob.zip").write_bytes(whole[:-10])
    build_sprites(128, styles=STYLES_TO_BUILD)
    assert (folder / "blob.zip").read_bytes() == whole
    assert len(fetched) == 3
    (folder / "flat.zip").unlink()
    build_sprites(128, styles=STYLES_TO_BUILD)
    assert len(fetched) == 4


def test_a_style_that_is_pinned_anew_is_rendered_again(fetched, monkeypatch):
    build_sprites(128, styles=STYLES_TO_BUILD)
    changed = replace(STYLES["blob"], package=replace(STYLES["blob"].package, integrity="sha512-other"))
    monkeypatch.setitem(sprite_cache.STYLES, "blob", changed)
    build_sprites(128, styles=STYLES_TO_BUILD)
    assert len(fetched) == 3


def test_a_build_that_breaks_off_keeps_finished_styles(fetched, monkeypatch):
    working = sprite_cache.fetch

    def out_of_reach(package, folder):
        if package == STYLES["blob"].package:
            raise DataError("out of reach")
        return working(package, folder)

    monkeypatch.setattr(sprite_cache, "fetch", out_of_reach)
    with pytest.raises(DataError):
        build_sprites(128, styles=STYLES_TO_BUILD)
    assert list(read_manifest(sprite_folder("cache", 128))["styles"]) == ["flat"]


def test_sprites_are_cropped_and_premultiplied(fetched):
    store = SpriteStore(build_sprites(128, styles=("flat",)), longest=128)
    assert store.codes("flat") == {CODE, concepts_by_label()["rocket"].code}
    assert store.codes("noto") == frozenset()
    sprite = store.get("flat", CODE)
    assert sprite.picture.size == (64, 64)
    assert np.asarray(sprite.picture)[32, 32].tolist() == [255, 0, 0, 255]
    small = SpriteStore(build_sprites(128, styles=("flat",)), longest=20).get("flat", CODE)
    assert small.picture.size == (20, 20)


def test_a_damaged_archive_is_told_plainly(fetched):
    folder = build_sprites(128, styles=("flat",))
    (folder / "flat.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match=r"'flat'.*missing or damaged: run ildm data emoji again"):
        SpriteStore(folder, longest=64).get("flat", CODE)


def test_a_damaged_manifest_is_told_plainly(fetched):
    folder = build_sprites(128, styles=("flat",))
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="damaged: remove it"):
        SpriteStore(folder, longest=64)


def test_names_match_by_code_points_or_by_slug():
    concepts = tuple(concepts_by_label()[label] for label in ("red apple", "cricket", "woman\u2019s hat", "bear"))
    icons = {"icons": {"red-apple": {}, "cricket": {}, "womans-hat": {}}, "aliases": {}}
    by_slug = match_names(concepts, icons, {})
    # "cricket" is the bat and ball in sets that go by names
    assert by_slug == {concepts[0].code: "red-apple", concepts[2].code: "womans-hat"}
    assert match_names(concepts, icons, {"1f997": "cricket"}) == {"1f997": "cricket"}
    assert slug("Pi\u00f1ata O\u2019Clock!") == "pinata-oclock"


@pytest.mark.parametrize(("size", "resolution"), [(64, 128), (128, 128), (256, 256)])
def test_scenes_are_made_from_the_next_larger_sprites(size, resolution):
    assert resolution_for(size) == resolution


def test_the_sample_is_whole_and_freely_licensed():
    folder = sprite_folder("sample", 128)
    styles = read_manifest(folder)["styles"]
    assert sum(len(record["sprites"]) for record in styles.values()) == 24
    assert {record["licence"] for record in styles.values()} == {"MIT", "Apache-2.0"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < 150_000
    store = SpriteStore(folder, longest=128)
    for style, record in styles.items():
        for code in record["sprites"]:
            assert max(store.get(style, code).picture.size) > 60


def test_the_card_names_every_style_its_licence_and_its_use(at_emoji_home):
    card, credits = write_card(sprite_folder("cache", 128))
    text = card.read_text(encoding="utf-8")
    assert f"{len(all_concepts())} concepts" in text
    for name, style in STYLES.items():
        assert f"| {name} |" in text
        assert style.package.licence in text
        assert style.package.version in credits.read_text(encoding="utf-8")
    assert "no, held out" in text
