"""Which times are trained on, and how much each counts."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.core.errors import ConfigError
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.weighting import LossWeighting, TimeDistribution

t = torch.linspace(0.02, 0.98, 97, dtype=torch.float64)


def test_logit_normal_times_have_the_stated_moments():
    times = TimeDistribution(kind="logit-normal", location=0.5, deviation=0.8).sample(20_000, torch.Generator().manual_seed(0))
    logits = torch.logit(times)
    assert math.isclose(logits.mean(), 0.5, abs_tol=0.02) and math.isclose(logits.std(), 0.8, abs_tol=0.02)


@given(st.integers(0, 2**31), st.sampled_from(["uniform", "logit-normal"]))
def test_times_stay_inside_and_repeat_with_their_seed(seed, kind):
    draw = [TimeDistribution(kind=kind, deviation=3.0).sample(64, torch.Generator().manual_seed(seed)) for _ in range(2)]
    assert torch.equal(*draw) and (draw[0] > 0).all() and (draw[0] < 1).all()


@pytest.mark.parametrize("path", [VariancePreserving(), LinearInterpolation()], ids=str)
def test_min_snr_weighs_the_same_data_error_equally_whatever_is_predicted(path):
    snr = (path.alpha(t) / path.sigma(t)) ** 2
    weighting = LossWeighting(kind="min-snr", gamma=5.0)
    # d prediction / d data, squared
    change = {"data": torch.ones_like(t), "epsilon": snr}
    change["velocity"] = (
        (path.sigma(t) + path.alpha(t) ** 2 / path.sigma(t)) ** 2
        if path.kind != "linear-interpolation"
        else path.sigma(t) ** -2
    )
    for kind, factor in change.items():
        assert torch.allclose(weighting(path, kind, t) * factor, snr.clamp_max(5.0), rtol=1e-6), kind


def test_uniform_weighs_all_alike():
    assert torch.equal(LossWeighting()(VariancePreserving(), "epsilon", t), torch.ones_like(t))


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ConfigError, match="positive"):
        TimeDistribution(kind="logit-normal", deviation=0.0)
