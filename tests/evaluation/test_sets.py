"""The sets ask what they should, and make images only when somebody looks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ildm.core.errors import ConfigError, DataError
from ildm.data.layout import relation
from ildm.evaluation.sets import Drawing, EvaluationConfig, emoji_sets, plan_sets


@pytest.fixture(scope="module")
def sets(network, noise_model, config):
    return {one.kind: one for one in emoji_sets(noise_model, network, config)}


def test_each_kind_shows_what_it_says(sets):
    assert list(sets) == ["scenes", "one object", "two objects"]
    assert all(len(sample.objects) == 1 for sample in sets["one object"].real.samples)
    for sample in sets["two objects"].real.samples:
        first, second = sample.objects
        assert relation(first.box, second.box) is not None


def test_prompts_are_the_full_captions_of_the_real_images(sets):
    for one in sets.values():
        assert list(one.prompts) == [sample.captions[0] for sample in one.real.samples]
        assert torch.equal(one.real.pixels[3], one.real.samples[3].image)


def test_reference_scenes_are_others_than_the_prompted_ones(sets):
    scenes = sets["scenes"]
    assert len(scenes.reference) == len(scenes.real) == 12
    assert not {sample.captions[0] for sample in scenes.reference.samples} & set(scenes.prompts)
    assert "reference" not in sets["one object"].provides and "recogniser" in sets["one object"].provides


def test_a_larger_evaluation_begins_with_the_same_scenes(network, noise_model, config, sets):
    larger = next(emoji_sets(noise_model, network, replace(config, num_images=15)))
    assert list(larger.prompts[:12]) == list(sets["scenes"].prompts)


def test_images_are_drawn_on_demand_with_the_settings_and_seeds_asked_for(network, fake_model, noise_model, config):
    model = fake_model(noise_model.draw)
    drawing = Drawing(num_steps=3, guidance_scale=1.5, sampler="ddim", seed=40, batch_size=5)
    scenes = next(emoji_sets(model, network, replace(config, drawing=drawing)))
    assert not model.calls and not scenes.generated.made
    assert scenes.generated.pixels.shape == (12, 3, 64, 64)
    assert torch.equal(scenes.generated.pixels[7], noise_model.draw("", 47))
    assert [call.seed for call in model.calls] == [[40, 41, 42, 43, 44], [45, 46, 47, 48, 49], [50, 51]]
    assert {(call.num_steps, call.guidance_scale, call.sampler) for call in model.calls} == {(3, 1.5, "ddim")}


def test_reconstructions_pass_the_autoencoder(sets):
    scenes = sets["scenes"]
    blocks = scenes.reconstructed.pixels.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    assert (blocks == blocks[:, :, :, :1, :, :1]).all()
    assert (scenes.reconstructed.pixels.float() - scenes.real.pixels.float()).abs().mean() < 10


def test_a_model_without_words_is_asked_for_nothing_but_images(network, fake_model, noise_model, config):
    model = fake_model(noise_model.draw)
    model.conditioner = None
    only = list(emoji_sets(model, network, config))
    assert [one.kind for one in only] == ["scenes"] and only[0].prompts is None
    assert len(only[0].generated.pixels) == 12


def test_only_styles_that_the_model_was_trained_on_are_asked_for(network, fake_model, noise_model, config):
    def styles(training):
        model = fake_model(noise_model.draw)
        model.manifest = model.manifest.model_copy(update={"training": training})
        shown = next(emoji_sets(model, network, config)).real.samples
        return {thing.style for sample in shown for thing in sample.objects}

    all_of_them = styles({})
    some = sorted(all_of_them)[0]
    assert len(all_of_them) > 1
    assert styles({"recipe": {"data": {"kind": "emoji-scenes", "styles": [some]}}}) == {some}
    # of data of another kind nothing is known
    assert styles({"recipe": {"data": {"kind": "folder", "styles": [some]}}}) == all_of_them


def test_splits_without_anything_to_show_are_left_out_unless_asked_for(network, noise_model, config):
    # the sample has no unseen style
    small = replace(config, splits=None, num_probes=2)
    splits = {one.split for one in emoji_sets(noise_model, network, small)}
    assert splits == {"train", "unseen_scene", "unseen_pair", "unseen_concept_pair"}
    with pytest.raises(ConfigError, match="unseen_style"):
        list(emoji_sets(noise_model, network, replace(config, splits=("unseen_style",))))


def test_every_split_is_looked_at_before_the_first_is_made(network, noise_model, config):
    with pytest.raises(ConfigError, match="'unseen_style' is empty"):
        emoji_sets(noise_model, network, replace(config, splits=("unseen_scene", "unseen_style")))


def test_a_plan_knows_what_its_sets_provide(network, noise_model, config):
    for planned in plan_sets(noise_model, network, replace(config, splits=("train", "unseen_pair"))):
        made = planned.make()
        assert (planned.split, planned.kind, planned.provides) == (made.split, made.kind, made.provides)
        assert len(made.real) == 12


def test_two_held_out_objects_leave_no_scene_with_one(network, noise_model, config):
    kinds = [one.kind for one in emoji_sets(noise_model, network, replace(config, splits=("unseen_concept_pair",)))]
    assert kinds == ["scenes", "two objects"]


def test_a_size_that_the_data_lacks_is_refused(network, fake_model, noise_model, config):
    model = fake_model(noise_model.draw)
    model.image_size = (96, 64)
    with pytest.raises(ConfigError, match="96x64 pixels, but EmojiScenes has squares of 64, 128, 256"):
        list(emoji_sets(model, network, config))


def test_too_few_concepts_for_pairs_say_so(network, fake_model, noise_model, config):
    model = fake_model(noise_model.draw)
    model.manifest = model.manifest.model_copy(update={"concepts": ("rocket",)})
    with pytest.raises(DataError, match="Only 0 of 12 scenes with two objects"):
        list(emoji_sets(model, network, config))


@pytest.mark.parametrize("bad", [{"splits": ()}, {"num_images": 9}, {"num_probes": 1}, {"num_seeds": 0}, {"num_seeds": 11}])
def test_senseless_configurations_are_refused(bad):
    with pytest.raises(ConfigError, match=r"at least one split|must be|1 to 10 seeds"):
        EvaluationConfig(**bad)
    with pytest.raises(ConfigError, match="batch size"):
        Drawing(batch_size=0)
