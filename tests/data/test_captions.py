"""Captions say what a scene shows, in wordings that can be read back."""

import random
import re

import pytest

from ildm.data.backgrounds import Background
from ildm.data.captions import Placed, full_caption, write_captions
from ildm.data.concepts import concepts_by_label
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.layout import relation
from ildm.data.styles import STYLES

PLAIN = Background(kind="plain", colours=("orange",))
LEFT, RIGHT, BELOW = (0.1, 0.4, 0.3, 0.6), (0.6, 0.4, 0.9, 0.6), (0.1, 0.7, 0.3, 0.9)


def placed(label, box=LEFT, style="flat"):
    concept = concepts_by_label()[label]
    return Placed(concept=concept, phrases=concept.phrases, style=style, box=box)


def test_the_full_caption_says_everything():
    assert full_caption([placed("bread")], PLAIN) == "some bread on a plain orange background, flat style"
    two = [placed("cat"), placed("owl", RIGHT)]
    assert full_caption(two, PLAIN) == "a cat to the left of an owl on a plain orange background, flat style"
    assert full_caption(two[::-1], PLAIN).startswith("an owl to the right of a cat on")
    assert full_caption([placed("cat"), placed("owl", BELOW)], PLAIN).startswith("a cat above an owl on")
    three = [*two, placed("scissors", BELOW)]
    assert full_caption(three, PLAIN).startswith("a cat to the left of an owl, and a pair of scissors on")


def test_styles_that_differ_are_said_of_each_object():
    mixed = [placed("owl", style="emojione"), placed("owl", RIGHT, "3d"), placed("bread", BELOW, "flat")]
    assert full_caption(mixed, PLAIN) == (
        "an emojione owl to the left of a 3d owl, and some flat bread on a plain orange background"
    )


def test_unclear_relations_are_not_claimed():
    diagonal = (0.5, 0.75, 0.7, 0.95)
    assert relation(LEFT, diagonal) is None
    assert full_caption([placed("cat"), placed("owl", diagonal)], PLAIN).startswith("a cat and an owl on")


@pytest.mark.parametrize(
    ("background", "wording"),
    [
        (Background(kind="plain", colours=("blue",)), "a plain blue background"),
        (Background(kind="gradient", colours=("orange", "red")), "an orange to red gradient background"),
        (Background(kind="checker", colours=("red", "white")), "a red and white checkered background"),
        (Background(kind="stripes", colours=("black", "pink")), "a black and pink striped background"),
    ],
)
def test_backgrounds_have_words(background, wording):
    assert background.wordings[0] == wording


def test_wordings_vary_and_stay_grammatical():
    things = [placed("hourglass done"), placed("grapes", RIGHT)]
    texts = {text for seed in range(300) for text in write_captions(random.Random(seed), things, PLAIN, 6)}
    assert len(texts) > 300
    assert any("background" not in text and "orange" not in text for text in texts)
    assert any(not re.search(r"\b(a|an|some)\b", text) for text in texts)
    assert any("fluent flat" in text for text in texts)
    assert any("bunch of grapes" in text for text in texts)
    for text in texts:
        assert not re.search(r"\ba (hourglass|orange|emojione|emoji)\b|\ban (grapes|flat|picture)\b|\ba grapes\b|  ", text), (
            text
        )


def test_relations_in_words_are_those_in_the_picture():
    words = {"left of": "left", "right of": "right", "above": "above", "over": "above", "below": "below", "under": "below"}
    dataset = EmojiScenes(
        EmojiScenesConfig(size=64, sprites="sample", max_objects=2, single_object_share=0.0, mixed_style_share=0.0)
    )
    phrases = {phrase.split(" ", 1)[-1]: one.label for one in dataset.concepts for phrase in one.phrases}
    checked = 0
    for index in range(60):
        sample = dataset[index]
        boxes = {one.concept: one.box for one in sample.objects}
        for caption in sample.captions:
            said = next((word for word in words if f" {word} " in caption), None)
            if said is None:
                continue
            before, after = caption.split(f" {said} ", 1)
            first = {label for phrase, label in phrases.items() if phrase in before} & set(boxes)
            second = {label for phrase, label in phrases.items() if phrase in after} & set(boxes)
            if len(first) == len(second) == 1:
                assert relation(boxes[first.pop()], boxes[second.pop()]) == words[said], caption
                checked += 1
    assert checked > 60


def test_a_scene_has_several_wordings_and_names_no_other_style():
    dataset = EmojiScenes(EmojiScenesConfig(size=64, sprites="sample", mixed_style_share=0.0, captions=4))
    assert {len(dataset[index].captions) for index in range(40)} <= {1, 2, 3, 4}
    for index in range(40):
        sample = dataset[index]
        style = sample.objects[0].style
        foreign = [word for name, other in STYLES.items() if name != style for word in other.words]
        for caption in sample.captions:
            said = re.search(r"(?:^|, | in )([a-z0-9 ]+?) style", caption)
            assert said is None or said[1] not in foreign
