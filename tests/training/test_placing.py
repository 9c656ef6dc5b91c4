"""Words learn to say where their things lie, and with that which of two is the left one."""

import random

import pytest
import torch

from ildm.conditioning.grounding import NOTHING, PADDING, Grounding
from ildm.core.errors import ConfigError
from ildm.core.randomness import generator
from ildm.data.mentions import Mentions
from ildm.training.denoising import CaptionedLatents, losses
from ildm.training.optimizer import OptimizerConfig
from ildm.training.placing import placing_loss

FAST = OptimizerConfig(learning_rate=3e-3, warmup_steps=5)
THINGS = {1: "a red rose", 2: "a blue key", 3: "a small house"}
MENTIONS = Mentions({number: (phrase,) for number, phrase in THINGS.items()})


def pairs(count, seed=0):
    """Captions of two things side by side, and their maps; every other one tells the right one first."""
    dice, captions, maps = random.Random(seed), [], torch.zeros(count, 8, 8, dtype=torch.int64)
    for index in range(count):
        left, right = dice.sample(list(THINGS), 2)
        maps[index, 2:6, 0:3], maps[index, 2:6, 5:8] = left, right
        first, word, second = (left, "left of", right) if index % 2 else (right, "right of", left)
        captions.append(f"{THINGS[first]} {word} {THINGS[second]}")
    return captions, maps


def test_it_is_the_distance_from_the_middle_written_out_in_loops():
    random = torch.Generator().manual_seed(1)
    tokens = torch.tensor([[0, 1, 1, 2, 0, PADDING], [0, 3, 0, 0, PADDING, PADDING], [0] * 6])
    cells, places = torch.randint(0, 3, (3, 4, 8), generator=random), torch.rand(3, 6, 2, generator=random)
    wanted = []
    for sample in range(3):
        distances = []
        for token, number in enumerate(tokens[sample].tolist()):
            filled = [divmod(place, 8) for place in range(32) if number > NOTHING and cells[sample].flatten()[place] == number]
            if filled:
                middle = (sum(x + 0.5 for _, x in filled) / 8 / len(filled), sum(y + 0.5 for y, _ in filled) / 4 / len(filled))
                said = places[sample, token].tolist()
                distances.append((said[0] - middle[0]) ** 2 + (said[1] - middle[1]) ** 2)
        wanted.append(sum(distances) / max(1, len(distances)))
    found = placing_loss(places, Grounding(tokens, cells))
    assert found.tolist() == pytest.approx(wanted, rel=1e-5)
    assert wanted[1] == wanted[2] == 0.0, "a thing that is nowhere, and none at all"


def test_words_learn_which_of_two_things_is_left(stage_two):
    """The order is said by one word between the two; names alone would leave both in the middle."""
    captions, maps = pairs(64)
    latents = (maps > 0).float()[:, None].repeat(1, 4, 1, 1)
    task = stage_two(
        latents, maps, mentions=MENTIONS, captions=captions, batch_size=16, optimizer=FAST, placing=1.0, dropout=0.0
    )
    batches = task.batches(0)
    told = [float(task.train_step(step, next(batches))["placing"]) for step in range(40)]
    assert told[-1] < 0.1 * told[0]
    others, there = pairs(32, seed=1)
    with torch.no_grad():
        right, turned = (
            float(losses(task.networks, task.config, CaptionedLatents(latents[:32], others, cells), generator(1, 1),
                         task.auxiliary, task._ground).beside.placing)
            for cells in (there, there.flip(2))
        )  # fmt: skip
    assert right < 0.1 * turned


def test_it_counts_also_when_there_is_no_more_help(stage_two):
    captions, maps = pairs(16)
    latents = (maps > 0).float()[:, None].repeat(1, 4, 1, 1)
    task = stage_two(
        latents, maps, mentions=MENTIONS, captions=captions, placing=0.5, grounding=0.3, alignment=0.1, helped=(0.0, 0.0)
    )
    told = task.train_step(0, next(task.batches(0)))
    assert {"placing"} == told.keys() - {"loss", "gradient_norm"}
    assert float(told["placing"]) > 0.0
    assert task.config.learned(1.0) == ("naming", "grounding", "placing")


def test_without_a_weight_nothing_is_different(stage_two):
    captions, maps = pairs(16)
    latents = (maps > 0).float()[:, None].repeat(1, 4, 1, 1)
    plain, given = (stage_two(latents, maps, captions=captions, mentions=known, dropout=0.0) for known in (None, MENTIONS))
    for task in (plain, given):
        assert "placing" not in task.train_step(0, next(task.batches(0)))
    assert all(value.equal(given.networks.state_dict()[name]) for name, value in plain.networks.state_dict().items())


def test_what_cannot_be_placed_is_refused(stage_two):
    with pytest.raises(ConfigError, match=r"stage_two.placing needs layouts, or captions .* set it to 0"):
        stage_two(placing=0.5)
    with pytest.raises(ConfigError, match=r"stage_two.placing is a weight of at least 0, but -1"):
        stage_two(placing=-1)
