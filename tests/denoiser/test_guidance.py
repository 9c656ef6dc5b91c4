"""Guidance and preconditioning: functions from denoisers to denoisers."""

import pytest
import torch

from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning
from ildm.denoiser.guidance import Guided
from ildm.denoiser.precondition import Preconditioned
from ildm.diffusion.path import LinearInterpolation, VariancePreserving, add_noise
from ildm.diffusion.prediction import target


def says_its_label(noised, t, conditioning):
    """A denoiser whose estimate is its label, and which counts its calls."""
    says_its_label.batches.append(noised.shape[0])
    return conditioning.label.reshape(-1, 1, 1, 1) * torch.ones_like(noised)


@pytest.fixture(autouse=True)
def count():
    says_its_label.batches = []


NOISED, T = torch.zeros(2, 1, 2, 2), torch.full((2,), 0.5, dtype=torch.float64)
YES, NO = Conditioning(label=torch.tensor([1, 2])), Conditioning(label=torch.tensor([0]))


def test_guidance_moves_away_from_the_negative_in_one_batch():
    guided = Guided(says_its_label, NO, 3.0)
    assert guided(NOISED, T, YES)[:, 0, 0, 0].tolist() == [3.0, 6.0]
    assert says_its_label.batches == [4]


@pytest.mark.parametrize(("scale", "interval"), [(1.0, (0.0, 1.0)), (3.0, (0.6, 1.0))])
def test_where_guidance_does_not_act_it_costs_nothing(scale, interval):
    guided = Guided(says_its_label, NO, scale, interval)
    assert guided(NOISED, T, YES)[:, 0, 0, 0].tolist() == [1.0, 2.0]
    assert says_its_label.batches == [2]


def test_an_interval_that_is_none_is_told():
    with pytest.raises(ConfigError, match="two rising times"):
        Guided(says_its_label, NO, 3.0, (0.8, 0.2))


@pytest.mark.parametrize("path", [VariancePreserving(), LinearInterpolation()], ids=str)
@pytest.mark.parametrize("prediction", ["epsilon", "velocity", "data"])
def test_a_perfect_network_gives_the_data_under_every_prediction(path, prediction):
    data, noise = torch.randn(3, 2, 4, 4), torch.randn(3, 2, 4, 4)
    t = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    told = []

    def network(noised, time, conditioning):
        told.append(time)
        return target(path, prediction, data, noise, t)

    estimate = Preconditioned(network, path, prediction)(add_noise(path, data, noise, t), t, Conditioning())
    assert torch.allclose(estimate, data, atol=1e-4)
    assert torch.allclose(told[0].double(), path.network_time(t), atol=1e-3)
