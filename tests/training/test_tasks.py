"""Every task trains from its recipe, goes on exactly after a stop, and its model draws from what it is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ildm.checkpoint.load import load
from ildm.checkpoint.native import read_manifest, save_native
from ildm.conditioning.layout import Placed, layout_prompt
from ildm.core.config import from_json, override, to_json
from ildm.core.errors import CheckpointError, ConfigError, DataError
from ildm.data.encoding import encode_dataset
from ildm.data.latents import LatentCache
from ildm.data.opening import open_dataset
from ildm.data.sample import Sample, SceneObject
from ildm.recipes import find_recipe, recipe_names
from ildm.training.pipeline import Run
from ildm.training.recipe import Recipe
from ildm.training.stopping import Stop
from ildm.training.told import ClassesConfig, Condition

SHORT = (
    "stage_one.loop.steps=1", "stage_two.loop.steps=2", "stage_one.batch_size=2", "stage_two.batch_size=4", "num_latents=16",
    "stage_one.loop.log_every=1", "stage_two.loop.log_every=1", "sampling.num_steps=1", "stage_one.loss.discriminator_weight=0",
)  # fmt: skip
TINY = sorted(name for name in recipe_names() if name.endswith("-tiny"))
HINTED = ("inpainting-tiny", "semantic-map-tiny", "super-resolution-tiny")


def short(name, *more):
    return override(find_recipe(name), [*SHORT, *more], derived=Recipe.DERIVED)


def run_in(folder, recipe):
    return Run(recipe, folder, torch.device("cpu"), Stop())()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of each task, after next to no training."""
    return {name: run_in(tmp_path_factory.mktemp(name), short(name)) for name in TINY}


def test_there_is_a_tiny_form_of_every_task():
    tasks = ("unconditional", "class", "text", "layout", "semantic-map", "super-resolution", "inpainting")
    assert set(recipe_names()) >= {*tasks, *(f"{task}-tiny" for task in tasks)}


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "images"])
def test_a_settled_recipe_survives_json_and_its_parts_fit(name):
    recipe = find_recipe(name)
    if not name.endswith("-tiny"):
        recipe = replace(recipe, data=replace(recipe.data, sprites="sample", concepts=None))
    settled = recipe.settled(open_dataset(recipe.data))
    assert from_json(Recipe, to_json(settled)) == settled
    assert settled.settled(open_dataset(recipe.data)) == settled


@pytest.mark.parametrize("name", TINY)
def test_a_model_draws_from_what_it_is_told(trained, name):
    model = load(trained[name], device="cpu")
    numbers = np.zeros((64, 64), np.uint8)
    numbers[16:48, 16:48] = 7
    asked = {
        "unconditional-tiny": {},
        "class-tiny": {"prompt": "rose"},
        "text-tiny": {"prompt": "a rose"},
        "emoji-tiny": {"prompt": "a rose"},
        "layout-tiny": {"prompt": layout_prompt([Placed("rose", (0.1, 0.1, 0.6, 0.9))])},
        "semantic-map-tiny": {"image": Image.fromarray(numbers)},
        "super-resolution-tiny": {"image": Image.new("RGB", (16, 16), "red")},
        "inpainting-tiny": {"image": Image.new("RGB", (64, 64), "red"), "mask": Image.fromarray(numbers * 30)},
    }[name]
    [drawn] = model.generate(seed=1, guidance_scale=2.0, **asked)
    assert drawn.size == (64, 64)


@pytest.mark.parametrize("name", HINTED)
def test_what_is_shown_changes_what_is_drawn(trained, name):
    model = load(trained[name], device="cpu")
    with torch.no_grad():  # the last layer starts at zero
        model.unet.conv_out.weight.normal_(std=0.1)
    side = 16 if name == "super-resolution-tiny" else 64
    colours = [Image.new("RGB", (side, side), colour) for colour in ("red", "blue")]
    numbers = [Image.new("L", (side, side), number) for number in (1, 2)]
    images = numbers if name == "semantic-map-tiny" else colours
    mask = None
    if name == "inpainting-tiny":
        mask = Image.new("L", (64, 64))
        mask.paste(255, (0, 0, 32, 64))
    first, other = (model.generate(seed=1, image=image, mask=mask)[0] for image in images)
    assert first.crop((0, 0, 32, 64)).tobytes() != other.crop((0, 0, 32, 64)).tobytes()
    if mask is not None:  # what is not drawn anew stays
        assert first.crop((32, 0, 64, 64)).getcolors() == [(32 * 64, (255, 0, 0))]


@pytest.mark.parametrize("name", ["layout-tiny", "class-tiny", *HINTED])
def test_training_goes_on_exactly_after_a_stop(trained, tmp_path, name):
    unbroken = load(trained[name], device="cpu", dtype="float32").unet.state_dict()
    run_in(tmp_path, short(name, "stage_two.loop.steps=1"))
    resumed = load(run_in(tmp_path, short(name)), device="cpu", dtype="float32").unet.state_dict()
    assert all(torch.equal(unbroken[key], value) for key, value in resumed.items())


def test_a_map_may_be_read_by_cross_attention_and_beside_words(tmp_path):
    route = ("condition.hint.route=cross-attention", "condition.hint.context_width=32")
    model = load(run_in(tmp_path, short("semantic-map-tiny", *route)), device="cpu")
    assert (model.unet.config.concat_channels, model.unet.config.context_width) == (0, 32)
    numbers = Image.fromarray(np.eye(64, dtype=np.uint8))
    assert model.generate(seed=1, image=numbers)[0].size == (64, 64)


@pytest.mark.parametrize("route", ["class-embedding", "cross-attention", "pooled"])
def test_a_class_takes_each_route(tmp_path, route):
    recipe = replace(short("class-tiny"), condition=Condition(classes=ClassesConfig(of="style", route=route, width=32)))
    model = load(run_in(tmp_path, recipe), device="cpu")
    graph = model.unet.config
    taken = (graph.labels is not None, graph.context_width is not None, graph.pooled_width is not None)
    assert taken == tuple(route == one for one in ("class-embedding", "cross-attention", "pooled"))
    assert model.generate("3d", seed=1, guidance_scale=2.0)[0].size == (64, 64)


def test_the_autoencoder_of_another_model_is_shared_and_not_copied(trained, tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    base = tmp_path / "models" / "base"
    base.parent.mkdir()
    trained["unconditional-tiny"].rename(base)
    folder = run_in(tmp_path / "run", short("layout-tiny", "first_stage=base"))
    assert not (folder / "autoencoder.safetensors").exists()
    assert read_manifest(folder).first_stage.model == "base"
    theirs, ours = load("base", device="cpu"), load(folder, device="cpu")
    assert ours.autoencoder_fingerprint == theirs.autoencoder_fingerprint
    assert ours.generate("", seed=1, guidance_scale=1.0)[0].size == (64, 64)
    with pytest.raises(ConfigError, match="has another graph than the recipe's"):
        run_in(tmp_path / "other", short("layout-tiny", "first_stage=base", "autoencoder.latent_channels=6"))
    with torch.no_grad():  # a better decoder may come later, but not another encoder
        theirs.autoencoder.last_layer.mul_(0.5)
        save_native(theirs, base)
        better = load(folder, device="cpu")
        assert better.autoencoder_fingerprint == theirs.autoencoder_fingerprint and better.hash != ours.hash
        next(theirs.autoencoder.encoder.parameters()).mul_(2.0)
        save_native(theirs, base)
    with pytest.raises(CheckpointError, match="made for the latents of another autoencoder than the one 'base' has now"):
        load(folder, device="cpu")
    next(theirs.autoencoder.encoder.parameters()).data.mul_(0.5)
    save_native(theirs, base)
    weights = base / "autoencoder.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-4] + b"\0\0\0\0")
    with pytest.raises(CheckpointError):
        load(folder, device="cpu")
    weights.unlink()
    with pytest.raises(CheckpointError, match="uses the autoencoder of 'base', which is not here"):
        load(folder, device="cpu")
    weights.write_bytes(kept)
    base.rename(trained["unconditional-tiny"])


class Bare:
    """Images of which nothing is known."""

    fingerprint = "bare"

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return Sample(image=torch.zeros(3, 64, 64, dtype=torch.uint8), captions=(), source=f"{index}.png")

    def describe(self):
        return {}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("layout-tiny", "These images have no objects"),
        ("class-tiny", "These images have no objects"),
        ("semantic-map-tiny", "These images have no semantic maps"),
    ],
)
def test_data_without_what_the_model_is_told_is_refused(name, told):
    with pytest.raises(DataError, match=told):
        find_recipe(name).settled(Bare())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("condition.classes.names=[]",), "condition.classes.names follows from data"),
        (("denoiser.labels=3",), "denoiser.labels follows from condition.classes"),
    ],
)
def test_what_follows_from_the_rest_cannot_be_set(settings, told):
    with pytest.raises(ConfigError, match=told):
        short("class-tiny", *settings)


def test_conditions_that_exclude_each_other_are_refused():
    classes, layout = find_recipe("class-tiny").condition.classes, find_recipe("layout-tiny").condition.layout
    with pytest.raises(ConfigError, match="classes or layouts, but both"):
        Condition(classes=classes, layout=layout)
    with pytest.raises(ConfigError, match="captions, classes or layouts"):
        replace(find_recipe("text-tiny"), condition=Condition(layout=layout))


def test_latents_of_another_condition_are_not_taken(tmp_path):
    recipe = find_recipe("super-resolution-tiny")
    dataset = open_dataset(replace(recipe.data, length=4))

    def encode(images):
        return torch.nn.functional.avg_pool2d(images, 8)

    told = recipe.condition.told(encode)
    cache = LatentCache(encode_dataset(dataset, encode, "maker", tmp_path / "latents", told=told))
    assert cache.features(0).shape == (12, 8, 8)
    with pytest.raises(DataError, match="latents of another condition"):
        encode_dataset(dataset, encode, "maker", tmp_path / "latents")


class Partly(Bare):
    """Images of which only the first is known."""

    def __getitem__(self, index):
        known = {
            "objects": (SceneObject(concept="fox", style="3d", box=(0.0, 0.0, 1.0, 1.0), instance=1),),
            "semantic_map": torch.ones(64, 64, dtype=torch.int32),
        }
        return replace(super().__getitem__(index), **known) if index == 0 else super().__getitem__(index)


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("layout-tiny", Bare, "These images have no objects"),
        ("class-tiny", Bare, "These images have no objects"),
        ("class-tiny", Partly, r"The image 1\.png has no object"),
        ("semantic-map-tiny", Bare, "These images have no semantic maps"),
        ("semantic-map-tiny", Partly, r"The image 1\.png has no semantic map"),
    ],
)
def test_such_data_is_refused_before_anything_is_trained(tmp_path, monkeypatch, name, data, told):
    monkeypatch.setattr("ildm.training.pipeline.open_dataset", lambda _: data())
    monkeypatch.setattr("ildm.training.pipeline.train", lambda *_, **__: pytest.fail("it was trained"))
    with pytest.raises(DataError, match=told):
        run_in(tmp_path / "run", short(name))
    assert not (tmp_path / "run").exists()
