"""How a codebook learns: running averages, dead entries, and what is told of its use."""

import copy
import math

import pytest
import torch

from ildm.autoencoder.codebook import VQBottleneck
from ildm.core.errors import ConfigError
from ildm.core.randomness import generator
from ildm.training.codebook import CodebookConfig, CodebookTraining

SIZE = 8


def training(entries=None, **config):
    """A codebook of 8 entries of 2 numbers, its average, and their training."""
    torch.manual_seed(0)
    bottleneck = VQBottleneck(2, 2, SIZE)
    bottleneck.to_latent = torch.nn.Identity()
    if entries is not None:
        bottleneck.codebook.weight.data.copy_(entries)
    average = copy.deepcopy(bottleneck)
    return bottleneck, average, CodebookTraining(bottleneck, average, CodebookConfig(**config))


def around(points, number, step=0, spread=0.05):
    """Latents of `number` cells, each near one of some points."""
    random = torch.Generator().manual_seed(step)
    chosen = torch.randint(len(points), (number,), generator=random)
    cells = points[chosen] + spread * torch.randn(number, 2, generator=random)
    return cells.T.reshape(1, 2, 1, number)


def follow(bottleneck, trained, latents):
    for step, latent in enumerate(latents):
        trained.update(bottleneck.posterior(latent), step, generator(0, step))


def test_running_averages_are_those_of_a_plain_loop():
    entries = torch.randn(SIZE, 2, generator=torch.Generator().manual_seed(3))
    bottleneck, _, trained = training(entries, updates="average", revive_every=0, decay=0.9)
    counts, sums, expected = [0.0] * SIZE, [torch.zeros(2) for _ in range(SIZE)], entries.clone()
    latents = [around(entries, 40, step, spread=0.4) for step in range(30)]
    follow(bottleneck, trained, latents)
    for step, latent in enumerate(latents):
        decay, cells = min(0.9, (1 + step) / (10 + step)), latent[0, :, 0].T
        chosen = torch.cdist(cells, expected).argmin(dim=1)
        for entry in range(SIZE):
            mine = cells[chosen == entry]
            counts[entry] = decay * counts[entry] + (1 - decay) * len(mine)
            sums[entry] = decay * sums[entry] + (1 - decay) * mine.sum(dim=0)
            if counts[entry] > 1e-5:
                expected[entry] = sums[entry] / counts[entry]
    assert torch.allclose(bottleneck.codebook.weight, expected, atol=1e-5)
    assert torch.allclose(trained.counts, torch.tensor(counts), atol=1e-4)


def test_a_codebook_begins_as_latents_of_the_first_batch():
    bottleneck, average, trained = training()
    points = torch.tensor([[5.0, 5.0], [-5.0, 5.0], [5.0, -5.0]])
    follow(bottleneck, trained, [around(points, 40)])
    assert torch.cdist(bottleneck.codebook.weight, points).min(dim=1).values.max() < 0.5
    assert torch.equal(average.codebook.weight, bottleneck.codebook.weight)


def test_dead_entries_are_revived_and_used():
    """All entries far away from the latents but one: with revival all come to use, without it (the control) that one stays alone."""
    points = torch.randn(SIZE, 2, generator=torch.Generator().manual_seed(7)) * 3
    lonely = torch.full((SIZE, 2), 1000.0)
    lonely[0] = 0.0
    usage = {}
    for revive_every in (0, 5):
        bottleneck, _, trained = training(lonely, updates="average", revive_every=revive_every, decay=0.8)
        latents = [around(points, 64, step) for step in range(40)]
        # what begins a codebook is not what is looked at here
        for step, latent in enumerate(latents, 1):
            trained.update(bottleneck.posterior(latent), step, generator(0, step))
        usage[revive_every] = {name: float(value) for name, value in trained.metrics().items()}
        usage[revive_every]["error"] = float(bottleneck.posterior(latents[-1]).penalty().detach().mean())
    assert usage[0]["perplexity"] == pytest.approx(1.0) and usage[0]["usage"] == 1 / SIZE
    assert usage[5]["usage"] == 1.0 and usage[5]["perplexity"] > 5
    assert usage[5]["error"] < usage[0]["error"] / 10


def test_entries_that_are_used_stay():
    points = torch.randn(SIZE, 2, generator=torch.Generator().manual_seed(7)) * 30
    bottleneck, _, trained = training(points, revive_every=1)
    for step in range(1, 20):
        trained.update(bottleneck.posterior(around(points, 200, step)), step, generator(0, step))
    assert torch.equal(bottleneck.codebook.weight, points)


@pytest.mark.parametrize(("counts", "perplexity", "usage"), [([1] * 8, 8.0, 1.0), ([4, 4] + [0] * 6, 2.0, 0.25)])
def test_use_is_told_as_it_is(counts, perplexity, usage):
    _, _, trained = training()
    trained.counts.copy_(torch.tensor(counts))
    told = trained.metrics()
    assert math.isclose(float(told["perplexity"]), perplexity, rel_tol=1e-5) and float(told["usage"]) == usage


@pytest.mark.parametrize("updates", ["gradient", "average"])
def test_stage_one_learns_with_a_codebook(updates, stage_one):
    task = stage_one(codebook_size=32, codebook=CodebookConfig(updates=updates, revive_every=10))
    first = last = None
    for step in range(30):
        last = task.train_step(step, next(task.batches(0)))
        first = first or last
    assert last["absolute"] < 0.95 * first["absolute"]
    assert 1.0 < last["perplexity"] <= 32.0 and 0.0 < last["usage"] <= 1.0
    assert "penalty" in last
    codebook = task.autoencoder.bottleneck.codebook.weight
    optimised = any(one is codebook for one in task._optimizer.parameters)
    assert optimised is (updates == "gradient")


def test_what_is_no_share_is_refused():
    with pytest.raises(ConfigError, match=r"decay and a dead_share in \[0, 1\)"):
        CodebookConfig(decay=1.0)
