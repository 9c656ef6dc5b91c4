"""The small parts: rates, averages, durations, guards."""

import itertools
import math
import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

from ildm.core.durations import parse_duration
from ildm.core.errors import ConfigError
from ildm.training.collapse import CollapseGuard
from ildm.training.ema import EMA
from ildm.training.optimizer import Optimizer, OptimizerConfig
from ildm.training.stopping import Stop


def test_the_rate_warms_up_stays_and_decays():
    config = OptimizerConfig(warmup_steps=4, decay="linear", decay_share=0.5)
    rates = [config.scale(step, 20) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4:11] == [1.0] * 7
    assert all(a > b for a, b in itertools.pairwise(rates[10:])) and rates[-1] == pytest.approx(0.1)
    cosine = OptimizerConfig(warmup_steps=0, decay="cosine")
    assert cosine.scale(0, 10) == 1.0 and cosine.scale(5, 10) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0.0},
        {"betas": (2.0, 3.0)},
        {"betas": (0.9, -0.1)},
        {"hidden_learning_rate": -1.0},
        {"momentum": 1.0},
        {"weight_decay": -1.0},
        {"clip_norm": -1.0},
        {"clip_norm": math.nan},
        {"decay_share": 0.0},
    ],
    ids=str,
)
def test_impossible_rates_are_refused(wrong):
    with pytest.raises(ConfigError, match=f"^{next(iter(wrong))} takes .*, but .* was given"):
        OptimizerConfig(**wrong)


class Graph(nn.Module):
    """An end, two hidden layers and an end."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv_in = nn.Conv2d(3, 8, 3, padding=1)
        self.middle = nn.Conv2d(8, 16, 3, padding=1)
        self.mix = nn.Conv2d(16, 16, 1)
        self.conv_out = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, x):
        return self.conv_out(self.mix(self.middle(self.conv_in(x)).relu()))


def test_muon_orthogonalises_hidden_kernels_and_leaves_the_ends_to_adamw():
    graph, twin = Graph(), Graph()
    config = OptimizerConfig(learning_rate=1e-3, hidden_learning_rate=1e-2, warmup_steps=0, clip_norm=0.0)
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    Optimizer(graph.named_parameters(), config, 10).update(graph(x).square().mean(), 0)
    Optimizer(twin.named_parameters(), replace(config, hidden_learning_rate=0.0), 10).update(twin(x).square().mean(), 0)
    for end in ("conv_in", "conv_out"):
        assert torch.equal(getattr(graph, end).weight, getattr(twin, end).weight)
    assert torch.equal(graph.middle.bias, twin.middle.bias)
    for hidden in ("middle", "mix"):
        change = (getattr(graph, hidden).weight - getattr(Graph(), hidden).weight).detach().flatten(1)
        singular = torch.linalg.svdvals(change)
        # the five Newton-Schulz steps bring every singular value near one, times rate and 0.2 sqrt(longer side)
        expected = 1e-2 * 0.2 * math.sqrt(max(change.shape))
        assert (singular > 0.3 * expected).all() and (singular < 1.6 * expected).all()


def test_the_state_of_another_kind_is_refused():
    graph = Graph()
    adamw = Optimizer(graph.named_parameters(), OptimizerConfig(), 10)
    muon = Optimizer(graph.named_parameters(), OptimizerConfig(hidden_learning_rate=1e-3), 10)
    with pytest.raises(ValueError, match="Muon"):
        muon.load_state_dict(adamw.state_dict())


def test_gradients_are_clipped_and_decay_spares_vectors():
    layer = nn.Linear(4, 4)
    before = layer.bias.detach().clone()
    optimizer = Optimizer(
        layer.named_parameters(), OptimizerConfig(learning_rate=0.1, weight_decay=0.9, warmup_steps=0, clip_norm=0.5), 10
    )
    norm = optimizer.update(layer(torch.ones(1, 4)).sum() * 100, 0)
    assert norm > 0.5
    clipped = torch.cat([parameter.grad.flatten() for parameter in layer.parameters()]).norm()
    assert clipped == pytest.approx(0.5, rel=1e-3)
    decays = [group["weight_decay"] for group in optimizer.state_dict()["adamw"]["param_groups"]]
    assert decays == [0.9, 0.0] and not torch.equal(before, layer.bias)


def test_the_average_follows_and_leaves_the_original_alone():
    layer = nn.Linear(2, 2)
    ema = EMA(layer, 0.9)
    with torch.no_grad():
        layer.weight.add_(1.0)
    live = layer.weight.clone()
    difference = (layer.weight - ema.shadow.weight).clone()
    ema.update(layer, 1000)
    assert torch.allclose(layer.weight - ema.shadow.weight, 0.9 * difference) and torch.equal(layer.weight, live)
    assert not ema.shadow.weight.requires_grad


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("30s", 30), ("15m", 900), ("1h30m", 5400), ("0.5h", 1800)])
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 x", "m5", "-3m"])
def test_durations_that_are_none_are_told(text):
    with pytest.raises(ConfigError, match="A duration reads like"):
        parse_duration(text)


def test_a_signal_asks_to_stop_and_a_second_one_insists():
    stop = Stop()
    with stop.on_signals():
        assert stop.reason is None
        signal.raise_signal(signal.SIGTERM)
        assert stop.reason == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert Stop(0.0).reason == "time limit"


def test_the_guard_waits_for_several_bad_records():
    guard = CollapseGuard(patience=3)
    good, bad = {"absolute": 0.1}, {"absolute": 0.3}
    assert [guard.judge(record) for record in (good, bad, bad, good, bad, bad)] == [None] * 6
    assert "fell apart" in guard.judge(bad)


def test_the_guard_notices_a_discriminator_that_has_won():
    guard = CollapseGuard(patience=2)
    won = {"absolute": 0.1, "discriminator_accuracy": 1.0, "adaptive_weight": 1e4}
    assert guard.judge(won) is None and "has won" in guard.judge(won)
    assert math.isinf(CollapseGuard().best)
