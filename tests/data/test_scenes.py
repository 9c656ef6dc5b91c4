"""Scenes repeat, their boxes and maps are exact, and their objects can be seen."""

import pickle
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.data.backgrounds import COLOURS
from ildm.data.concepts import concepts_by_label
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.opening import open_dataset
from ildm.data.sprites import Sprite, SpriteStore


@pytest.fixture(scope="module")
def scenes():
    return EmojiScenes(EmojiScenesConfig(size=64, sprites="sample"))


def test_a_scene_depends_on_split_seed_and_index_alone(scenes):
    again = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample"))
    again[7]  # a draw in between must not matter
    first, second = scenes[3], again[3]
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.instance_map, second.instance_map)
    assert (first.captions, first.objects) == (second.captions, second.objects)
    assert not torch.equal(first.image, scenes[4].image)
    other_seed = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", seed=1))
    assert not torch.equal(first.image, other_seed[3].image)
    assert torch.equal(pickle.loads(pickle.dumps(scenes))[3].image, first.image)


def test_the_scenes_are_these_ones(scenes):
    """A changed composer must raise `_COMPOSER`, so that nobody resumes on other data unknowingly."""
    captions = [scenes[index].captions[0] for index in range(3)]
    assert captions == [
        "a cactus on a plain white background, 3d style",
        "a cactus to the right of an hourglass on a pink and grey striped background, blob style",
        "a cactus on a purple to brown gradient background, 3d style",
    ]


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_boxes_and_maps_agree_exactly(overlap):
    dataset = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", overlap=overlap, single_object_share=0.1))
    for index in range(60):
        sample = dataset[index]
        instances, classes = sample.instance_map.numpy(), sample.semantic_map.numpy()
        assert set(np.unique(instances)) == {0, *(one.instance for one in sample.objects)}
        for one in sample.objects:
            rows, columns = np.nonzero(instances == one.instance)
            bounds = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            assert one.box == tuple(edge / 64 for edge in bounds)
            assert set(classes[instances == one.instance]) == {concepts_by_label()[one.concept].index + 1}
        assert (classes[instances == 0] == 0).all()


def test_objects_keep_apart_unless_overlap_is_asked_for():
    apart = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", single_object_share=0.0))
    over = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", single_object_share=0.0, overlap=0.6))
    assert not any(_some_boxes_meet(apart[index]) for index in range(60))
    assert any(_some_boxes_meet(over[index]) for index in range(60))


def _some_boxes_meet(sample):
    boxes = [one.box for one in sample.objects]
    return any(a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for a, b in combinations(boxes, 2))


def test_nothing_touches_the_border(scenes):
    boxes = [one.box for index in range(80) for one in scenes[index].objects]
    assert min(min(box[:2]) for box in boxes) > 0
    assert max(max(box[2:]) for box in boxes) < 1


def test_the_background_lies_behind_in_its_own_colour():
    dataset = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", backgrounds=("plain",)))
    for index in range(20):
        sample = dataset[index]
        name = sample.source.removeprefix("plain: ")
        assert tuple(sample.image[:, 0, 0].tolist()) == COLOURS[name]
        assert f"on a plain {name} background" in sample.captions[0]


def test_an_object_never_vanishes_on_its_background(monkeypatch):
    white = np.full((40, 40, 4), 255, dtype=np.uint8)
    hidden = dict.fromkeys(COLOURS, 0.0) | {"white": 1.0}
    monkeypatch.setattr(SpriteStore, "get", lambda *_: Sprite(picture=Image.fromarray(white, "RGBX"), hidden=hidden))
    dataset = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample"))
    assert not any("white" in dataset[index].source for index in range(60))


@pytest.mark.parametrize(("label", "mirrored"), [("rocket", True), ("hourglass done", False)])
def test_only_what_may_be_mirrored_is(monkeypatch, label, mirrored):
    wedge = np.zeros((40, 40, 4), dtype=np.uint8)
    wedge[np.triu_indices(40)] = 255
    sprite = Sprite(picture=Image.fromarray(wedge, "RGBX"), hidden=dict.fromkeys(COLOURS, 0.0))
    monkeypatch.setattr(SpriteStore, "get", lambda *_: sprite)
    dataset = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", concepts=(label,), max_objects=1))
    turned = []
    for index in range(30):
        rows, columns = np.nonzero(dataset[index].instance_map.numpy())
        turned.append(columns[rows == rows.max()].mean() < columns.mean())
    assert any(turned) is mirrored
    assert not all(turned)


def test_outlines_know_where_they_vanish():
    store = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample"))._sprites
    apple = store.get("flat", concepts_by_label()["red apple"].code)
    assert apple.hidden["red"] > 0.5 > apple.hidden["blue"]


def test_the_same_scene_comes_at_every_size():
    small, large = (EmojiScenes(EmojiScenesConfig(size=size, sprites="sample")) for size in (64, 128))
    for index in range(10):
        first, second = small[index], large[index]
        assert [one.concept for one in first.objects] == [one.concept for one in second.objects]
        assert second.image.shape == (3, 128, 128)


def test_scenes_obey_their_configuration():
    config = EmojiScenesConfig(
        size=64, sprites="sample", concepts=("bread", "rocket"), styles=("flat",), max_objects=2, backgrounds=("stripes",)
    )
    dataset = EmojiScenes(config)
    samples = [dataset[index] for index in range(40)]
    objects = [one for sample in samples for one in sample.objects]
    assert {one.concept for one in objects} == {"bread", "rocket"}
    assert {one.style for one in objects} == {"flat"}
    assert {len(sample.objects) for sample in samples} == {1, 2}
    assert all(sample.source.startswith("stripes") for sample in samples)
    with pytest.raises(IndexError):
        dataset[len(dataset)]


def test_the_share_of_single_objects_is_kept():
    dataset = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", single_object_share=0.25))
    single = sum(len(dataset[index].objects) == 1 for index in range(120)) / 120
    assert 0.12 < single < 0.38


def test_configurations_travel_as_json():
    config = EmojiScenesConfig(size=64, sprites="sample", concepts=("bread",))
    read = from_json(EmojiScenesConfig, to_json(config))
    assert read == config
    assert open_dataset(read).fingerprint == EmojiScenes(config).fingerprint
    assert EmojiScenes(config).fingerprint != EmojiScenes(EmojiScenesConfig(size=64, sprites="sample")).fingerprint


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"size": 100}, "size is one of 64, 128, 256, but 100"),
        ({"split": "tain"}, "'train'"),
        ({"styles": ("flatt",)}, "'flat'"),
        ({"backgrounds": ("striped",)}, "'stripes'"),
        ({"concepts": ()}, "at least one concept"),
        ({"max_objects": 5}, "between 1 and 4"),
        ({"single_object_share": 1.5}, "between 0.0 and 1.0"),
    ],
)
def test_wrong_configurations_are_told_plainly(shapes_unchecked, wrong, told):
    with pytest.raises(ConfigError, match=told):
        EmojiScenesConfig(**wrong)


def test_sprites_that_were_not_built_are_asked_for(empty_home):
    with pytest.raises(DataError, match="ildm data emoji --size 128"):
        EmojiScenes(EmojiScenesConfig(size=128))
