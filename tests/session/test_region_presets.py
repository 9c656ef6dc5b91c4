"""Presets of regions: used on pictures of any size, taken from runs and from Regional Prompter, kept by name."""

import numpy as np
import pytest
import torch

from ildm.conditioning.regional_prompter import read_division, write_colours
from ildm.core.errors import ConfigError, DataError, StorageError
from ildm.session.region_files import preset_text, write_preset
from ildm.session.region_library import KIND, RegionLibrary, find_preset, open_library, shipped_names
from ildm.session.region_presets import PresetRegion, RegionPreset, preset_from_division
from ildm.session.session import Session
from ildm.session.settings import Lora, Region
from ildm.session.store import Store
from ildm.session.wire import Mask

SHAPE = Mask.from_array(np.eye(6))
PRESET = RegionPreset(
    name="two",
    prompt="a rose",
    common_prompt="in gold",
    overlap="z-order",
    mode="latent",
    regions=(
        PresetRegion(
            name="left", prompt="a blue key", box=(0.0, 0.0, 0.5, 1.0), strength=1.5, base_ratio=0.2, seed=5, window=(0, 3)
        ),
        PresetRegion(prompt="a red rose", negative_prompt="a key", mask=SHAPE, guidance_scale=4.0),
        PresetRegion(prompt="nowhere"),
    ),
)


@pytest.fixture
def session(quick):
    return Session(quick, "a red rose", seed=3, num_steps=4)


def test_a_region_of_a_preset_says_what_any_region_does():
    """Field by field, so that neither can go on without the other."""
    ours, theirs = dict(PresetRegion.model_fields), dict(Region.model_fields)
    for name in ("box", "mask"):
        ours.pop(name)
    for name in ("id", "mask"):
        theirs.pop(name)
    assert {name: (one.annotation, one.metadata, one.default) for name, one in ours.items()} == {
        name: (one.annotation, one.metadata, one.default) for name, one in theirs.items()
    }


# --- in a session ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (96, 32)])
def test_a_preset_fits_a_picture_of_any_size(size, quick):
    session = Session(quick, "a red rose", seed=3, num_steps=4, width=size[0], height=size[1])
    session.regions.use(PRESET)
    left, shape, nowhere = session.regions
    assert [one.id for one in session.regions] == ["1", "2", "3"]
    assert (left.name, left.prompt, left.strength, left.base_ratio, left.seed, left.window) == (
        "left",
        "a blue key",
        1.5,
        0.2,
        5,
        (0, 3),
    )
    assert (shape.negative_prompt, shape.guidance_scale, nowhere.mask) == ("a key", 4.0, None)
    assert session.regions.mask("1") == Mask.rectangle(*size, (0.0, 0.0, 0.5, 1.0))
    assert session.regions.mask("2") == SHAPE
    settings = session.settings
    assert (settings.prompt, settings.common_prompt, settings.overlap, settings.region_mode) == (
        "a rose",
        "in gold",
        "z-order",
        "latent",
    )
    session.run()
    assert bool(torch.isfinite(session.latent).all())


def test_a_preset_takes_the_place_of_what_was_there(session):
    session.regions.add("a key", (0.0, 0.0, 1.0, 1.0), id="former")
    session.regions.rules(mode="latent")
    session.regions.use(RegionPreset(name="one", negative_prompt="grey", regions=(PresetRegion(prompt="a rose"),)))
    assert [one.id for one in session.regions] == ["1"]
    # what a preset says nothing of stays; how regions act it always says
    assert (session.settings.prompt, session.settings.negative_prompt) == ("a red rose", "grey")
    assert session.settings.region_mode == "attention"
    session.undo()
    assert [one.id for one in session.regions] == ["former"]


def test_ids_may_be_chosen():
    assert [one.region.id for one in PRESET.command(64, 64, ids=["a", "b", "c"]).regions] == ["a", "b", "c"]
    with pytest.raises(ConfigError, match="'two' has 3 regions, but 1 ids"):
        PRESET.command(64, 64, ids=["a"])


def test_the_regions_of_a_run_become_a_preset(session):
    session.regions.use(PRESET)
    taken = session.regions.preset("taken")
    left = PRESET.regions[0].model_copy(update={"box": None, "mask": Mask.rectangle(64, 64, (0.0, 0.0, 0.5, 1.0))})
    assert taken == PRESET.model_copy(update={"name": "taken", "negative_prompt": "", "regions": (left, *PRESET.regions[1:])})
    session.regions.use(taken)
    assert session.regions.preset("taken") == taken
    with pytest.raises(ConfigError, match="name"):
        session.regions.preset("")


def test_adapters_go_along():
    region = Region(id="a", prompt="x", loras=(Lora(name="ink", strength=0.5),))
    preset = RegionPreset(name="ink", mode="latent", regions=(PresetRegion(prompt="x", loras=region.loras),))
    assert preset.command(64, 64, ids=["a"]).regions[0].region == region


@pytest.mark.parametrize("name", ["picture.png", "session.ildm"])
def test_a_picture_lends_its_regions(session, tmp_path, name):
    path = tmp_path / name
    write = session.save if name.endswith("png") else session.export
    session.step()
    write(path)
    with pytest.raises(DataError, match="has no regions where it stood"):
        find_preset(path)
    session.regions.use(PRESET)
    session.run()
    write(path)
    assert find_preset(path) == session.regions.preset(path.stem) == find_preset(str(path))


# --- from Regional Prompter ------------------------------------------------------------------------------------------------


def test_a_division_becomes_a_preset():
    division = read_division("ground ADDBASE c ADDCOMM a BREAK b", "no ADDCOMM x BREAK y", ratios="1,3", base_ratios="0.25")
    assert preset_from_division(division, "split") == RegionPreset(
        name="split",
        prompt=division.base_prompt,
        negative_prompt="",
        common_prompt=division.common_prompt,
        regions=(
            PresetRegion(prompt="a", negative_prompt="no, x", base_ratio=0.25, box=(0.0, 0.0, 0.25, 1.0)),
            PresetRegion(prompt="b", negative_prompt="no, y", base_ratio=0.25, box=(0.25, 0.0, 1.0, 1.0)),
        ),
    )


def test_a_colour_mask_becomes_masks():
    left = np.zeros((8, 8))
    left[:, :4] = 1
    picture = write_colours([left, 1 - left])
    preset = preset_from_division(read_division("a BREAK b", mode="mask", mask=picture, calculation="latent"), "masked")
    assert [one.mask for one in preset.regions] == [Mask.from_array(left), Mask.from_array(1 - left)]
    assert preset.mode == "latent"


def test_words_are_no_areas_of_a_preset():
    with pytest.raises(ConfigError, match=r"follows the word 'hat', .*add_from_word"):
        preset_from_division(read_division("a man in a hat BREAK red, hat", mode="prompt"), "words")
    with pytest.raises(ConfigError, match="at most 64 regions, but 65 texts"):
        preset_from_division(read_division(" BREAK ".join("abcde" * 13), ratios=""), "many")


# --- by name ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path):
    return tmp_path / "sessions.sqlite"


def test_presets_are_kept_renamed_and_removed(store):
    with open_library(store, make=True) as library:
        library.keep(PRESET)
        with pytest.raises(ConfigError, match="There is a preset 'two' already"):
            library.keep(PRESET)
        library.keep(PRESET.model_copy(update={"description": "new"}), replace=True)
        library.keep(PRESET.model_copy(update={"name": "three"}))
        with pytest.raises(ConfigError, match="There is a preset 'three' already"):
            library.rename("two", "three")
        library.rename("two", "a/b.json")
        library.rename("three", "three")
    with open_library(store) as library:
        assert library.load("a/b.json") == PRESET.model_copy(update={"name": "a/b.json", "description": "new"})
        own = [one for one in library.all() if one.origin == "own"]
        assert [one.name for one in own] == ["a/b.json", "three"] and own[1].preset == library.load("three")
        assert find_preset("a/b.json", store=store).name == "a/b.json"  # a name that reads like a file
        library.remove("a/b.json")
        for lost in (lambda: library.load("a/b.json"), lambda: library.remove("two"), lambda: library.rename("two", "x")):
            with pytest.raises(ConfigError, match="There is no preset of regions"):
                lost()
        for name in ("", " ", "x" * 201):
            with pytest.raises(ConfigError):
                library.rename("three", name)


def test_the_shipped_ones_stay_as_they_are(store):
    with open_library(store, make=True) as library:
        for change in (
            lambda: library.keep(PRESET.model_copy(update={"name": "ring"})),
            lambda: library.keep(PRESET.model_copy(update={"name": "ring"}), replace=True),
            lambda: library.rename("ring", "other"),
            lambda: library.remove("ring"),
        ):
            with pytest.raises(ConfigError, match="comes with ildm"):
                change()
        library.keep(PRESET)
        with pytest.raises(ConfigError, match="comes with ildm"):
            library.rename("two", "ring")


def test_without_a_store_there_are_the_shipped_ones_and_none_is_made(store):
    with open_library(store) as library:
        assert [one.name for one in library.all()] == list(shipped_names())
        assert library.load("ring").name == "ring"
        with pytest.raises(ConfigError, match="did you mean 'ring'"):
            library.remove("rign")
        with pytest.raises(ConfigError, match="no session store"):
            library.keep(PRESET)
    assert not store.exists()
    with pytest.raises(ConfigError, match="There is no preset of regions 'rign': did you mean 'ring'"):
        find_preset("rign", store=store)
    with pytest.raises(DataError, match=r"There is no file nowhere/ring\.json"):
        find_preset("nowhere/ring.json", store=store)


def test_one_damaged_preset_hides_no_other(store):
    with Store(store) as opened:
        opened.presets.save(KIND, "bad", b"{}")
        opened.presets.save(KIND, "worse", b"\xff")
        opened.presets.save(KIND, "good", preset_text(PRESET).encode())
        library = RegionLibrary(opened.presets)
        listed = {one.name: one for one in library.all()}
        assert "is no preset of regions" in listed["bad"].problem and "is no text" in listed["worse"].problem
        assert listed["good"].preset is not None and listed["good"].problem == ""
        library.remove("bad")


def test_a_name_or_a_file_serves_a_session(session, tmp_path):
    session.regions.use("ring")
    assert [one.name for one in session.regions] == ["ring", "middle"]
    write_preset(PRESET, tmp_path / "two.json")
    for source in (tmp_path / "two.json", str(tmp_path / "two.json")):
        session.regions.use(source)
        assert [one.prompt for one in session.regions] == ["a blue key", "a red rose", "nowhere"]
    with pytest.raises(StorageError, match="is a folder"):
        (tmp_path / "folder.json").mkdir()
        write_preset(PRESET, tmp_path / "folder.json")
