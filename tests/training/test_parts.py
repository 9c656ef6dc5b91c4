"""The small parts: rates, averages, durations, guards."""

import itertools
import math
import signal

import pytest
import torch
from torch import nn

from ildm.core.errors import ConfigError
from ildm.training.collapse import CollapseGuard
from ildm.training.ema import EMA
from ildm.training.optimizer import Optimizer, OptimizerConfig
from ildm.training.stopping import Stop, parse_duration


def test_the_rate_warms_up_stays_and_decays():
    config = OptimizerConfig(learning_rate=1.0, warmup_steps=4, decay="linear", decay_share=0.5)
    rates = [config.rate(step, 20) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0] and rates[4:11] == [1.0] * 7
    assert all(a > b for a, b in itertools.pairwise(rates[10:])) and rates[-1] == pytest.approx(0.1)
    cosine = OptimizerConfig(learning_rate=1.0, warmup_steps=0, decay="cosine")
    assert cosine.rate(0, 10) == 1.0 and cosine.rate(5, 10) == pytest.approx(0.5)


def test_impossible_rates_are_refused():
    with pytest.raises(ConfigError, match="positive"):
        OptimizerConfig(learning_rate=0.0)


def test_gradients_are_clipped_and_decay_spares_vectors():
    layer = nn.Linear(4, 4)
    before = layer.bias.detach().clone()
    optimizer = Optimizer(
        layer.parameters(), OptimizerConfig(learning_rate=0.1, weight_decay=0.9, warmup_steps=0, clip_norm=0.5), 10
    )
    norm = optimizer.update(layer(torch.ones(1, 4)).sum() * 100, 0)
    assert norm > 0.5
    clipped = torch.cat([parameter.grad.flatten() for parameter in layer.parameters()]).norm()
    assert clipped == pytest.approx(0.5, rel=1e-3)
    decays = [group["weight_decay"] for group in optimizer.inner.param_groups]
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
