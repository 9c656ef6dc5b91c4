"""Every recipe resolves, fits its budget, and says the same thing after a trip through JSON."""

import json
from collections import Counter
from dataclasses import replace

import pytest
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.conditioning.semantic_map import SemanticMapConfig
from ildm.conditioning.text import TextEncoder
from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError
from ildm.data.concepts import find_concepts
from ildm.data.opening import open_dataset
from ildm.denoiser.unet import UNet
from ildm.recipes import find_recipe, recipe_names
from ildm.recipes.emoji import CONCEPTS
from ildm.training.prerequisites import check_data
from ildm.training.recipe import Recipe


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_json(name):
    recipe = find_recipe(name)
    assert from_json(Recipe, json.loads(json.dumps(to_json(recipe)))) == recipe


@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "images"])
def test_every_recipes_data_have_what_it_learns_from(name):
    recipe = find_recipe(name)
    recipe = replace(recipe, data=replace(recipe.data, sprites="sample", concepts=None, styles=None, length=4))
    dataset = open_dataset(recipe.data)
    check_data(recipe.settled(dataset), dataset, None)


def test_words_in_places_are_for_models_that_are_shown_nothing():
    recipe = find_recipe("emoji-tiny")
    shown = replace(recipe.condition, hint=SemanticMapConfig(names=("sky", "sea")))
    recipe = replace(recipe, condition=shown, stage_two=replace(recipe.stage_two, in_places=0.4))
    with pytest.raises(ConfigError, match=r"stage_two.in_places is for models that are told by words alone, .* set it to 0"):
        check_data(recipe, open_dataset(recipe.data), None)


def test_only_models_of_captions_bind_words_to_places():
    bound = {name for name in recipe_names() if find_recipe(name).stage_two.placing and find_recipe(name).stage_two.in_places}
    assert bound == {"emoji", "text"}


def test_the_shipped_model_fits_its_budget():
    recipe = find_recipe("emoji")
    text = recipe.text
    assert text is not None
    channels = recipe.autoencoder.latent_channels
    graph = replace(
        recipe.denoiser, in_channels=channels, out_channels=channels, context_width=text.width, pooled_width=text.width
    )
    with torch.device("meta"):
        drawing = parameters(UNet(graph)) + parameters(TextEncoder(text, text.vocabulary_size))
        coding = parameters(Autoencoder(recipe.autoencoder))
    assert drawing <= 12e6
    assert 2 * (drawing + coding) <= 36e6, "bytes in half precision"
    assert recipe.autoencoder.stride == 8 and recipe.data.size == 128


def test_the_shipped_concepts_are_known_and_cover_every_group():
    groups = Counter(concept.group for concept in find_concepts(CONCEPTS))
    assert len(set(CONCEPTS)) == len(CONCEPTS) and len(groups) == 5 and min(groups.values()) >= 30


def test_an_unknown_recipe_is_told():
    with pytest.raises(ConfigError, match="did you mean 'emoji-tiny'"):
        find_recipe("emoji-tinny")
