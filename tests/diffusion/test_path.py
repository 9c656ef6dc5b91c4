"""Paths against their definitions, each other, and the published schedules."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

from ildm.core.errors import ConfigError
from ildm.diffusion.path import BETA_RANGES, LinearInterpolation, VariancePreserving, add_noise

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
PATHS = [
    VariancePreserving(),
    VariancePreserving(betas="cosine"),
    VariancePreserving(zero_terminal_snr=True),
    LinearInterpolation(),
]
times = torch.linspace(0, 1, 257, dtype=torch.float64)


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_starts_at_data_and_only_gets_noisier(path):
    alpha, sigma = path.alpha(times), path.sigma(times)
    assert alpha[0] == 1 and sigma[0] == 0
    assert (alpha.diff() < 0).all() and (sigma.diff() > 0).all()


@pytest.mark.parametrize("path", PATHS[:3], ids=str)
def test_variance_is_preserved(path):
    assert torch.allclose(path.alpha(times) ** 2 + path.sigma(times) ** 2, torch.ones(257, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("path", [PATHS[2], PATHS[3]], ids=str)
def test_ends_in_pure_noise(path):
    assert path.alpha(times)[-1] == 0 and path.sigma(times)[-1] == 1


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_time_at_inverts_the_ratio(path):
    inner = times[1:-1]
    ratio = path.sigma(inner) / path.alpha(inner)
    # between a zero-SNR end and its neighbour the ratio is not interpolated
    inner, ratio = inner[inner < 0.998], ratio[inner < 0.998]
    assert torch.allclose(path.time_at(ratio), inner, atol=1e-9)
    assert path.time_at(torch.tensor([math.inf])).item() == 1.0


@pytest.mark.parametrize("name", BETA_RANGES)
def test_published_ranges_match_the_peer_at_every_timestep(name):
    start, end = BETA_RANGES[name]
    peer = DDPMScheduler(num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=start, beta_end=end)
    path = VariancePreserving(beta_start=start, beta_end=end)
    grid = (torch.arange(1000, dtype=torch.float64) + 1) / 1000
    assert torch.allclose(path.alpha(grid) ** 2, peer.alphas_cumprod.double(), atol=2e-6)
    assert torch.allclose(path.network_time(grid), torch.arange(1000, dtype=torch.float64), atol=1e-9)


def test_zero_terminal_snr_matches_the_peer():
    peer = DDPMScheduler(num_train_timesteps=1000, beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    expected = torch.cumprod(1 - rescale_zero_terminal_snr(peer.betas).double(), 0)
    found = VariancePreserving(zero_terminal_snr=True).alphas_cumprod
    assert torch.allclose(found, expected, atol=1e-5) and found[-1] == 0


def test_add_noise_follows_the_definition_per_sample():
    path, data, noise = LinearInterpolation(), torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    t = torch.tensor([0.0, 0.25, 1.0], dtype=torch.float64)
    noised = add_noise(path, data, noise, t)
    assert torch.equal(noised[0], data[0]) and torch.equal(noised[2], noise[2])
    assert torch.allclose(noised[1], 0.75 * data[1] + 0.25 * noise[1])


@pytest.mark.parametrize("wrong", [{"beta_start": 0.5, "beta_end": 0.1}, {"num_timesteps": 1}])
def test_impossible_paths_are_refused(wrong):
    with pytest.raises(ConfigError, match="was given"):
        VariancePreserving(**wrong)
