"""The network learns to look, at each place, at the words for what lies there."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F

from ildm.conditioning.grounding import NOTHING, PADDING, Grounding
from ildm.conditioning.layout import LayoutConditioner, LayoutConfig
from ildm.core.errors import ConfigError
from ildm.core.randomness import generator
from ildm.data.mentions import Mentions
from ildm.denoiser.attended import Watch, token_mask
from ildm.training.denoising import CaptionedLatents, losses
from ildm.training.grounding import GroundingLoss, grounds
from ildm.training.optimizer import OptimizerConfig

FAST = OptimizerConfig(learning_rate=3e-3, warmup_steps=5)
MENTIONS = Mentions({1: ("a red rose",), 2: ("a blue key",), 3: ("a small house",), 4: ("some grapes",)})


def scenes():
    """Latents that show where a thing is, and maps that say which."""
    maps = torch.zeros(16, 8, 8, dtype=torch.int64)
    for index in range(16):
        maps[index, 2:6, 2:6] = 1 + index % 4
    return 3.0 * (maps > 0).float()[:, None].repeat(1, 4, 1, 1), maps


@pytest.fixture(scope="module")
def trained(stage_two):
    """A task after 50 steps, and what it told."""
    task = stage_two(*scenes(), mentions=MENTIONS, optimizer=FAST, grounding=0.3, dropout=0.1)
    batches = task.batches(0)
    return task, [float(task.train_step(step, next(batches))["grounding"]) for step in range(50)]


def test_its_loss_falls_for_what_lies_there_and_for_nothing_else(trained):
    task, told = trained
    assert told[-1] < 0.5 * told[0]
    (latents, maps), captions = scenes(), next(task.batches(0)).captions
    with torch.no_grad():
        right, moved = (
            float(losses(task.networks, task.config, batch, generator(1, 1), task.auxiliary, task._ground).beside.grounding)
            for batch in (CaptionedLatents(latents, captions, cells) for cells in (maps, maps.roll(4, dims=2)))
        )
    assert right < 0.2 * moved


def test_places_of_a_thing_look_at_its_words_and_others_elsewhere(trained):
    task, _ = trained
    latents, maps = scenes()
    words = task.networks.conditioner.named(["a red rose"], [MENTIONS.find("a red rose", [1])])[0] == 1
    watch = Watch(words)
    with torch.no_grad():
        conditioning = task.networks.condition(["a red rose"])
        task.networks.unet.look_inside(latents[:1], torch.tensor([100.0]), conditioning, watch)
    shares = max(watch.maps, key=torch.numel)
    thing = F.adaptive_avg_pool2d((maps[:1] > 0).float(), shares.shape)[0]
    assert shares[thing > 0.9].mean() > 2.0 * shares[thing < 0.1].mean()


def test_the_loss_is_the_likelihood_written_out_in_loops():
    random = torch.Generator().manual_seed(3)
    query, key = (torch.randn(3, 2, count, 5, generator=random) for count in (16, 6))
    tokens = torch.tensor([[0, 1, 1, 2, 0, PADDING], [0, 3, 0, 0, PADDING, PADDING], [0, 0, 0, 0, 0, 0]])
    cells = torch.randint(0, 4, (3, 8, 8), generator=random)
    loss = GroundingLoss(Grounding(tokens, cells))
    loss.see(query, key, token_mask(tokens != PADDING), (4, 4))
    wanted = []
    for sample in range(3):
        names = {int(number) for number in tokens[sample] if number != PADDING}
        weight, cost = {True: 0.0, False: 0.0}, {True: 0.0, False: 0.0}
        for place in range(16):
            row, column = divmod(place, 4)
            inside = cells[sample, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            shares = torch.zeros(6)
            for head in range(2):
                logits = torch.tensor([float(query[sample, head, place] @ key[sample, head, token]) for token in range(6)])
                shares += (logits / 5**0.5).masked_fill(tokens[sample] == PADDING, -torch.inf).softmax(0) / 2
            for name in names:
                share = float((inside == name).float().mean())
                weight[name > 0] += share
                cost[name > 0] -= share * float(shares[tokens[sample] == name].sum().log())
        wanted.append(sum(0.5 * cost[kind] / max(weight[kind], 1e-6) for kind in (True, False)) if weight[True] else 0.0)
    assert float(loss.mean()) == pytest.approx(sum(wanted) / 3, rel=1e-5)
    assert wanted[2] == 0.0, "a sample without a named thing costs nothing"


def test_what_a_hint_says_behind_the_words_costs_nothing():
    random = torch.Generator().manual_seed(4)
    query, key = (torch.randn(2, 2, count, 5, generator=random) for count in (16, 6))
    more = torch.randn(2, 2, 3, 5, generator=random)
    grounding = Grounding(torch.tensor([[0, 1, 1, 2, 0, 0]] * 2), torch.randint(0, 3, (2, 8, 8), generator=random))
    alone, both = GroundingLoss(grounding), GroundingLoss(grounding)
    # one head, so that the shares of the words keep their proportions
    alone.see(query[:, :1], key[:, :1], None, (4, 4))
    both.see(query[:, :1], torch.cat([key, more], dim=2)[:, :1], None, (4, 4))
    assert float(both.mean()) == pytest.approx(float(alone.mean()), rel=1e-5)
    assert float(alone.mean()) > 0.0


def test_without_a_weight_nothing_is_different(stage_two):
    plain, given = stage_two(*scenes(), dropout=0.0), stage_two(*scenes(), mentions=MENTIONS, dropout=0.0)
    for task in (plain, given):
        assert "grounding" not in task.train_step(0, next(task.batches(0)))
    for name, value in plain.networks.state_dict().items():
        assert value.equal(given.networks.state_dict()[name]), name


def test_what_cannot_be_grounded_is_refused(stage_two):
    with pytest.raises(ConfigError, match=r"stage_two.grounding needs layouts, or captions .* set it to 0"):
        stage_two(*scenes(), grounding=0.1)
    with pytest.raises(ConfigError, match=r"stage_two.grounding is a weight of at least 0, but -1"):
        stage_two(*scenes(), mentions=MENTIONS, grounding=-1)
    assert grounds(None, MENTIONS) is None


def test_boxes_are_grounded_without_maps():
    reader = LayoutConditioner(LayoutConfig(names=("fox", "key"), max_objects=3, width=8, depth=1, num_heads=2))
    ground = grounds(reader, None)
    tokens, cells = ground(["key 0 0 1 1; fox 0.5 0 1 0.5", ""], None, (4, 4))
    assert tokens.tolist() == [[1, 1, 1, 2, 2, 2, *[NOTHING] * 5], [NOTHING] * 11]
    assert cells[0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 1, 1], [1, 1, 1, 1]], "the smaller box lies on top"
    assert not cells[1].any()


def test_phrases_follow_each_other():
    found = MENTIONS.find("a small house left of a red rose", [1, 3])
    assert [one.number for one in found] == [3, 1]
    assert all(first.end <= second.start for first, second in pairwise(found))
