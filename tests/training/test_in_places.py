"""In a share of the steps each thing's words are read only where it lies, by the same attention that draws painted regions."""

import random

import pytest
import torch

from ildm.conditioning.grounding import Mention
from ildm.core.errors import ConfigError
from ildm.core.masks import area_average
from ildm.core.randomness import generator
from ildm.core.share import Share
from ildm.data.mentions import Mentions
from ildm.denoiser.regional import Parts, by_attention
from ildm.training.in_places import InPlaces, bind, name_with_article, paint_shape
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig

FAST = OptimizerConfig(learning_rate=3e-3, warmup_steps=5)
MENTIONS = Mentions({1: ("a red rose",), 2: ("a blue key",), 3: ("some grapes",)})
NAMES = {1: "a red rose", 2: "a blue key", 3: "some grapes"}
CAPTIONS = ("a red rose left of a blue key on a plain sky", "flat red rose", "some grapes, blue key", "")


class Always(random.Random):
    """Draws one and the same number."""

    def __init__(self, value):
        super().__init__(0)
        self.random = lambda: value


def scenes():
    """The captions' maps: two side by side, one, two again, and what nobody says."""
    maps = torch.zeros(4, 8, 8, dtype=torch.int64)
    maps[0, 2:6, 1:4], maps[0, 2:6, 5:7] = 1, 2
    maps[1, 1:7, 1:7] = 1
    maps[2, 0:3, 0:3], maps[2, 5:8, 5:8] = 3, 2
    maps[3, 3:5, 3:5] = 1
    return maps


@pytest.fixture(scope="module")
def task(stage_two):
    return stage_two(torch.randn(4, 4, 8, 8), scenes(), captions=list(CAPTIONS), mentions=MENTIONS, batch_size=4)


@pytest.fixture(scope="module")
def conditioner(task):
    return task.networks.conditioner.eval()


def test_what_is_said_where():
    said = [InPlaces(MENTIONS).tell_apart(*each, Always(0.9)) for each in zip(CAPTIONS, scenes(), strict=True)]
    assert said[0].texts == ("a plain sky", "a red rose", "a blue key") and said[0].numbers == (1, 2)
    assert said[1].texts == ("", "flat red rose")
    assert said[2].texts == ("", "some grapes", "blue key") and said[2].numbers == (3, 2)
    assert said[3].texts == ("",) and said[3].numbers == (), "a dropped caption is read everywhere"
    left_out = InPlaces(MENTIONS).tell_apart("a red rose", scenes()[0], Always(0.9))
    assert left_out.texts == ("a red rose",) and left_out.numbers == ()


def test_a_style_goes_with_every_thing():
    for manner in (", noto style", " in glossy 3d style"):
        said = InPlaces(MENTIONS).tell_apart(CAPTIONS[0] + manner, scenes()[0], Always(0.9))
        assert said.texts == (f"a plain sky{manner}", f"a red rose{manner}", f"a blue key{manner}")


def test_the_ground_may_say_all_and_things_what_is_behind_them():
    said = InPlaces(MENTIONS).tell_apart(CAPTIONS[0], scenes()[0], Always(0.1))
    assert said.texts == (CAPTIONS[0], "a red rose on a plain sky", "a blue key on a plain sky")


@pytest.mark.parametrize(
    ("caption", "thing", "spoken"),
    [
        ("an owl and a pair of scissors", "scissors", "a pair of scissors"),
        ("a flat owl", "owl", "a flat owl"),
        ("fluent 3d owl", "owl", "fluent 3d owl"),
        ("a wooden owl", "owl", "owl"),
        ("owl", "owl", "owl"),
        ("below the owl", "owl", "the owl"),
        ("banana owl", "owl", "owl"),
    ],
)
def test_the_article_right_before_a_thing_is_taken_along(caption, thing, spoken):
    start = caption.index(thing)
    assert name_with_article(caption, Mention(start, start + len(thing), 1)) == spoken


def test_what_is_painted_lies_over_its_thing_and_near_it():
    cells = torch.zeros(16, 16, dtype=torch.bool)
    cells[4:9, 3:11] = True
    seen = [paint_shape(cells, random.Random(seed)) for seed in range(40)]
    near = torch.zeros(16, 16, dtype=torch.bool)
    near[1:12, 0:14] = True
    for mask in seen:
        assert mask.min() >= 0.0 and mask.max() == 1.0
        assert mask[cells].mean() > 0.6 and not mask[~near].any()
    assert any(bool(((mask > 0) & (mask < 1)).any()) for mask in seen), "some are soft"
    assert len({mask.numpy().tobytes() for mask in seen}) > 20
    alone = torch.zeros(16, 16, dtype=torch.bool)
    alone[0, 15] = True
    assert all(paint_shape(alone, random.Random(seed)).sum() > 0 for seed in range(20))


def test_it_is_what_regions_are_drawn_by(task, conditioner):
    """Of one sample the prediction is that of `by_attention`, pooled vector and all; beside it a plain caption stays plain."""
    texts, areas = ("a plain sky", "a red rose", "a blue key"), torch.rand(3, 8, 8).softmax(dim=0)
    unet, latents, time = task.networks.unet, torch.randn(2, 4, 8, 8), torch.tensor([300.0, 700.0])
    with torch.no_grad():
        both = unet(latents, time, bind(conditioner, [texts, ("a red rose",)], [areas, torch.ones(1, 8, 8)]))
        encoded = tuple(conditioner([text]) for text in texts)
        parts = Parts(positives=encoded, negatives=encoded, guidances=(1.0,) * 3, shares=(1.0,) * 3, weights=areas)
        alone = unet(latents[:1], time[:1], by_attention(parts, (8, 8))[0])
        plain = unet(latents[1:], time[1:], conditioner(["a red rose"]))
    torch.testing.assert_close(both[:1], alone, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both[1:], plain, atol=1e-5, rtol=1e-4)


def test_shares_sum_to_one_and_things_have_the_larger(conditioner):
    made = InPlaces(MENTIONS)(conditioner, CAPTIONS, scenes(), generator(0, 0))
    weights = made.regions.weights
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(4, 8, 8))
    assert weights.shape == (4, 3, 8, 8)
    assert not weights[3, 1:].any() and bool((weights[3, 0] == 1).all())
    assert weights[2, 1, :3, :3].mean() > 0.6 and not weights[2, 1, 5:, 5:].any()
    assert area_average(weights, (4, 4)).sum(dim=1).allclose(torch.ones(4, 4, 4))


def test_every_process_paints_its_part_of_the_same_batch(conditioner):
    whole = InPlaces(MENTIONS)(conditioner, CAPTIONS, scenes(), generator(5, 0))
    for number in range(2):
        part = Share(number, 2)
        own = InPlaces(MENTIONS)(conditioner, part.of(CAPTIONS), part.of(scenes()), generator(5, 0), part)
        seen, its = own.regions.weights.shape[1], part.of(whole.regions.weights)
        assert own.regions.weights.equal(its[:, :seen]) and not its[:, seen:].any()
        tokens, read = own.regions.context_mask.shape[2], part.of(whole.regions.context_mask)
        assert own.regions.context_mask.equal(read[:, :seen, :tokens]) and not read[:, :seen, tokens:].any()
        contexts = part.of(whole.regions.context)[:, :seen, :tokens]
        mask = own.regions.context_mask
        torch.testing.assert_close(own.regions.context[mask], contexts[mask])


def test_a_network_learns_to_keep_words_to_their_places(stage_two):
    """Latents in which each thing has a sign of its own: what a region says decides what comes into it."""
    dice, maps, captions = random.Random(0), torch.zeros(32, 8, 8, dtype=torch.int64), []
    for index in range(32):
        left, right = dice.sample((1, 2, 3), 2)
        maps[index, 1:7, 0:3], maps[index, 1:7, 5:8] = left, right
        captions.append(f"{NAMES[left]}, {NAMES[right]}" if dice.random() < 0.5 else f"{NAMES[right]}, {NAMES[left]}")
    signs = torch.tensor([[0.0] * 4, [2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]])
    latents = signs[maps].permute(0, 3, 1, 2)
    task = stage_two(
        latents, maps, captions=captions, mentions=MENTIONS, batch_size=16, optimizer=FAST, in_places=1.0, dropout=0.0,
        loop=LoopConfig(steps=40),
    )  # fmt: skip
    batches = task.batches(0)
    told = [task.train_step(step, next(batches)) for step in range(40)]
    assert told[0].keys() == {"loss", "gradient_norm"}
    areas = torch.stack([torch.ones(8, 8), torch.zeros(8, 8), torch.zeros(8, 8)])
    areas[:, 1:7, 0:3], areas[:, 1:7, 5:8] = torch.tensor([0.0, 1, 0])[:, None, None], torch.tensor([0.0, 0, 1])[:, None, None]
    with torch.no_grad():
        found = task.networks.unet(
            torch.randn(8, 4, 8, 8, generator=torch.Generator().manual_seed(0)),
            torch.full((8,), 1000.0),
            bind(task.networks.conditioner, [("", NAMES[1], NAMES[3])] * 8, [areas] * 8),
        ).mean(dim=0)
    # velocity is noise less data, so a thing's own channel is the lowest
    assert found[0, 1:7, 0:3].mean() < found[2, 1:7, 0:3].mean() - 0.5
    assert found[2, 1:7, 5:8].mean() < found[0, 1:7, 5:8].mean() - 0.5


def test_some_steps_are_so_and_the_others_are_grounded(stage_two):
    task = stage_two(
        torch.randn(4, 4, 8, 8), scenes(), captions=list(CAPTIONS), mentions=MENTIONS, batch_size=4, in_places=0.5, grounding=0.3,
        placing=0.5, alignment=0.1,
    )  # fmt: skip
    told = [task.train_step(step, next(task.batches(0))).keys() - {"loss", "gradient_norm"} for step in range(16)]
    assert {frozenset(one) for one in told} == {frozenset({"naming"}), frozenset({"naming", "grounding", "placing"})}
    assert 3 <= sum(one == {"naming"} for one in told) <= 13


def test_without_a_share_nothing_is_different(stage_two):
    plain, given = (
        stage_two(torch.ones(4, 4, 8, 8), scenes(), captions=list(CAPTIONS), mentions=known, batch_size=4)
        for known in (None, MENTIONS)
    )
    for each in (plain, given):
        each.train_step(0, next(each.batches(0)))
    assert all(value.equal(given.networks.state_dict()[name]) for name, value in plain.networks.state_dict().items())


def test_what_cannot_be_read_in_places_is_refused(stage_two):
    with pytest.raises(ConfigError, match=r"stage_two.in_places needs captions and maps of EmojiScenes, .* set it to 0"):
        stage_two(in_places=0.5)
    with pytest.raises(ConfigError, match=r"stage_two.in_places is a share of the steps in \[0, 1\], but 2"):
        stage_two(mentions=MENTIONS, in_places=2)
