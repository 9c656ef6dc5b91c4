"""Each split shows what it promises and nothing that it must not."""

from dataclasses import replace

import pytest

from ildm.core.errors import ConfigError
from ildm.data import casting
from ildm.data.audit import audit_all, audit_split
from ildm.data.concepts import all_concepts, concepts_by_label
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.splits import SPLITS, held_out_style, is_held_out_together, partners
from ildm.data.styles import TRAINED_STYLES, UNSEEN_STYLES

COUNT = 60


@pytest.fixture
def config(at_emoji_home):
    return EmojiScenesConfig(size=64, single_object_share=0.2)


def test_every_split_keeps_to_its_rule(config):
    audits = audit_all(config, COUNT)
    assert [audit["split"] for audit in audits] == list(SPLITS)
    assert all(audit["keeps_its_rule"] for audit in audits)
    by_split = {audit["split"]: audit for audit in audits}
    assert set(by_split["train"]["styles"]) == set(TRAINED_STYLES)
    assert set(by_split["unseen_style"]["styles"]) == set(UNSEEN_STYLES)
    assert by_split["train"]["concepts"] > 30


def test_the_audit_sees_a_leak(config, monkeypatch):
    """The control: with the rules switched off, training shows what it must not."""
    monkeypatch.setattr(casting, "held_out_style", lambda _: None)
    monkeypatch.setattr(casting, "is_held_out_together", lambda *_: False)
    audit = audit_split(EmojiScenes(config), COUNT)
    assert audit.held_out_pairs > 0
    assert audit.held_out_meetings > 0
    assert not audit.keeps_its_rule


def test_held_out_parts_are_small_and_fixed():
    concepts = all_concepts()
    styles = [held_out_style(one) for one in concepts]
    assert 0.15 < sum(style is not None for style in styles) / len(concepts) < 0.25
    assert set(styles) == {None, *TRAINED_STYLES}
    meetings = sum(len(partners(one)) for one in concepts) / len(concepts) ** 2
    assert 0.04 < meetings < 0.06
    known = concepts_by_label()
    # a few fixed points: a hash that changed would move test pictures into training
    assert held_out_style(known["rocket"]) == "3d"
    assert held_out_style(known["red apple"]) is None
    assert is_held_out_together(known["bread"], known["cactus"])
    assert is_held_out_together(known["cactus"], known["bread"])
    assert not is_held_out_together(known["bread"], known["rocket"])
    assert not is_held_out_together(known["bread"], known["bread"])


def test_splits_show_different_scenes(config):
    train = EmojiScenes(config)
    unseen = EmojiScenes(replace(config, split="unseen_scene"))
    assert not {train[index].captions for index in range(30)} & {unseen[index].captions for index in range(30)}


def test_training_styles_give_way_to_the_unseen_one(config):
    dataset = EmojiScenes(replace(config, styles=("flat", "noto"), split="unseen_style"))
    assert dataset.styles == UNSEEN_STYLES
    with pytest.raises(ConfigError, match="'train' shows the styles flat"):
        EmojiScenes(replace(config, styles=UNSEEN_STYLES))


def test_an_empty_split_is_told_plainly():
    config = EmojiScenesConfig(size=64, sprites="sample", concepts=("red apple", "cactus"), split="unseen_pair")
    with pytest.raises(ConfigError, match="'unseen_pair' is empty for 2 concepts"):
        EmojiScenes(config)
