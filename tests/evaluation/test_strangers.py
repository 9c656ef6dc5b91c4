"""Models that know other things by name: what can be measured is, and the rest is left out with a reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.conditioning.layout import LayoutConditioner, LayoutConfig, read_layout
from ildm.conditioning.prompt import escape
from ildm.conditioning.semantic_map import SemanticMap, SemanticMapConfig
from ildm.evaluation.asking import Asking
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.sets import emoji_sets

OWN = ("tabby [left]", "sofa")
SAID = {"psnr", "ssim", "lite0-distance", "images-per-second", "images-per-second-batch-8"}


def labels(names, count=None):
    return LabelConditioner(LabelConfig(count=count or len(names), names=names))


def layout(names):
    return LayoutConditioner(LayoutConfig(names=names, width=8, depth=1, num_heads=1, grid=8))


def shown(names):
    return SemanticMap(SemanticMapConfig(names=names))


@pytest.fixture
def stranger(fake_model, noise_model):
    """Makes a model that refuses, as real ones do, what it has no name for."""

    class Stranger(fake_model):
        def __init__(self, conditioner, hint):
            super().__init__(noise_model.draw)
            self.conditioner, self.hint = conditioner, hint

        def generate(self, prompt="", *, image=None, **settings):
            if self.conditioner is not None:
                self.conditioner.read(prompt)
            for one in image or ():
                self.hint.read(one, None, self.image_size)
            return super().generate(prompt, **settings)

    return Stranger


@pytest.mark.parametrize(
    ("conditioner", "hint"),
    [
        (labels(OWN), None),
        (labels((), count=4), None),
        # some of the things that scenes show are not enough
        (labels(("rocket", "cactus")), None),
        (layout(OWN), None),
        (None, shown(OWN)),
    ],
    ids=["class", "class without names", "class of a few", "layout", "map"],
)
def test_what_means_something_is_measured_and_the_rest_is_told(stranger, config, conditioner, hint):
    report = evaluate(stranger(conditioner, hint), config)
    assert {entry.figure.name for entry in report.entries} == SAID
    [told] = [note for note in report.notes if "no name for" in note]
    assert "Distances and accuracies" in told and "EmojiScenes" in told and told in report.to_markdown()
    assert not report.pictures


def test_metrics_that_are_left_out_say_so_when_they_were_asked_for(stranger, config):
    model = stranger(labels(OWN), None)
    report = evaluate(model, replace(config, metrics=("kernel-distance", "reconstruction")))
    assert {entry.metric for entry in report.entries} == {"reconstruction"} and not model.calls
    assert report.notes[-1].startswith("kernel-distance asks what this model is not told")


def test_it_is_asked_for_its_own_things(stranger, network, config):
    asked = {one.kind: one.asked for one in emoji_sets(stranger(labels(OWN), None), network, config)}
    assert {ask.prompt for ask in asked["one object"]} == set(OWN) and "two objects" not in asked
    labels(OWN).read([escape(ask.prompt) for ask in asked["scenes"]])
    boxes = next(emoji_sets(stranger(layout(("cat", "sofa")), None), network, config))
    assert {thing.label for prompt in boxes.prompts for thing in read_layout(prompt)} == {"cat", "sofa"}
    maps = next(emoji_sets(stranger(None, shown(OWN)), network, config))
    assert {number for ask in maps.asked for number in from_map(ask.image)} == {0, 1, 2}


def from_map(image):
    return np.unique(np.array(image)).tolist()


def test_maps_have_the_models_own_numbers_whatever_their_order(stranger, network, config):
    names = ("bread", "rocket", "cactus", "hourglass done", "scissors", "red apple")
    scenes = next(emoji_sets(stranger(None, shown(names)), network, config))
    for ask, sample in zip(scenes.asked, scenes.real.samples, strict=True):
        assert from_map(ask.image) == [0, *sorted(names.index(thing.concept) + 1 for thing in sample.objects)]


def test_who_knows_all_that_is_shown_is_no_stranger():
    shown_there = ("red apple", "rocket")
    assert not Asking(labels(("Rocket", "red apple ", "more")), None, shown_there).foreign
    assert Asking(labels(("rocket",)), None, shown_there).missing == ("red apple",)
    assert not Asking(object(), None, shown_there).foreign and not Asking(None, None).foreign
    assert not Asking(labels(("flat", "3d")), None, shown_there).foreign
    assert len(Asking(labels(("rocket",)), None).missing) == 860
