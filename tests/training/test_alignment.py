"""The network learns to name what lies where, and its words help it to."""

import pytest
import torch

from ildm.core.errors import ConfigError
from ildm.core.randomness import generator
from ildm.training.alignment import SemanticHead, naming_loss
from ildm.training.denoising import CaptionedLatents, losses
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig

FAST = OptimizerConfig(learning_rate=3e-3, warmup_steps=5)


def scenes():
    """Four latents that look alike and four maps that differ: only the caption says which it is."""
    maps = torch.zeros(16, 8, 8, dtype=torch.int64)
    for index in range(16):
        maps[index, 2:6, 2:6] = 1 + index % 4
    return (maps > 0).float()[:, None].repeat(1, 4, 1, 1), maps


def train(task, steps):
    batches = task.batches(0)
    return [float(task.train_step(step, next(batches))["naming"]) for step in range(steps)]


def named_by(task, batch):
    return float(losses(task.networks, task.config, batch, generator(1, 1), task.auxiliary).beside.naming)


def test_it_learns_to_name_from_the_caption(stage_two):
    latents, maps = scenes()
    task = stage_two(latents, maps, optimizer=FAST, alignment=0.3, dropout=0.0)
    named = train(task, 40)
    assert named[-1] < 0.4 * named[0]
    captions = next(task.batches(0)).captions
    with torch.no_grad():
        right, wrong = (
            named_by(task, CaptionedLatents(latents, texts, maps)) for texts in (captions, captions[1:] + captions[:1])
        )
    assert right < 0.5 * wrong


def test_without_a_weight_nothing_is_different(stage_two):
    """The same bytes as from a run that knows no maps."""
    latents, maps = scenes()
    plain, given = stage_two(latents, dropout=0.0), stage_two(latents, maps, dropout=0.0)
    for task in (plain, given):
        batches = task.batches(0)
        for step in range(3):
            task.train_step(step, next(batches))
    assert not given.state()["auxiliary"]
    for name, value in plain.networks.state_dict().items():
        assert value.equal(given.networks.state_dict()[name]), name


def test_the_head_is_part_of_the_state_and_not_of_the_model(stage_two):
    latents, maps = scenes()
    whole, first, second = (stage_two(latents, maps, alignment=0.1) for _ in range(3))
    train(whole, 6)
    train(first, 3)
    second.load_state(first.state())
    batches = second.batches(3 * 16)
    for step in range(3, 6):
        second.train_step(step, next(batches))
    assert all(torch.equal(value, second.auxiliary.state_dict()[name]) for name, value in whole.auxiliary.state_dict().items())
    assert all(value.equal(second.networks.state_dict()[name]) for name, value in whole.networks.state_dict().items())
    assert not any("naming" in name for name in whole.ema.shadow.state_dict())


def test_data_without_maps_cannot_be_aligned_with(stage_two):
    with pytest.raises(ConfigError, match="needs data with semantic maps"):
        stage_two(alignment=0.1)
    with pytest.raises(ConfigError, match="a weight of at least 0, but -1"):
        stage_two(alignment=-1)


def test_things_and_background_weigh_the_same_however_large_they_are():
    maps = torch.zeros(2, 8, 8, dtype=torch.int64)
    maps[0, 0, 0] = maps[1, :4] = 1
    logits = torch.zeros(2, 2, 8, 8)
    logits[:, 0] = 3.0  # sure of the background everywhere
    small, large = naming_loss(logits, maps)
    assert small == pytest.approx(float(large))
    nothing = naming_loss(logits[:1], torch.zeros(1, 8, 8, dtype=torch.int64))
    assert nothing.item() == pytest.approx(0.5 * torch.log1p(torch.tensor(-3.0).exp()).item())


def test_looking_inside_predicts_the_same(stage_two):
    task = stage_two()
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        conditioning = task.networks.condition(["a red rose", "a blue key"])
        output, features = task.networks.unet.look_inside(latents, torch.tensor([0.3, 0.8]), conditioning)
        assert output.equal(task.networks.unet(latents, torch.tensor([0.3, 0.8]), conditioning))
    head = SemanticHead(features.shape[1], 5)
    assert head(features).shape == (2, 5, 8, 8)


def test_help_is_let_go_of_by_and_by(stage_two):
    """In full, then less and less, then not at all: by then the head learns nothing, and nothing is said of it."""
    latents, maps = scenes()
    task = stage_two(latents, maps, optimizer=FAST, alignment=0.3, helped=(0.25, 0.75), loop=LoopConfig(steps=8))
    assert [task.config.help_at(step / 8) for step in range(8)] == [1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    batches, told, heads = task.batches(0), [], []
    for step in range(8):
        told.append("naming" in task.train_step(step, next(batches)))
        heads.append(task.auxiliary.naming.conv_out.weight.detach().clone())
    assert told == [True] * 6 + [False] * 2
    assert not heads[4].equal(heads[5])
    assert heads[5].equal(heads[6]) and heads[6].equal(heads[7])


@pytest.mark.parametrize("helped", [(0.5, 0.25), (-0.1, 0.5), (0.5, 1.5), (float("nan"), 1.0)])
def test_shares_of_help_that_are_none(stage_two, helped):
    with pytest.raises(ConfigError, match="the smaller one first"):
        stage_two(helped=helped)
