"""Predictions say the same thing, whichever way it is said."""

from itertools import product

import pytest
import torch

from ildm.diffusion.path import LinearInterpolation, VariancePreserving, add_noise
from ildm.diffusion.prediction import convert, data_estimate, noise_estimate, target

KINDS = ("epsilon", "velocity", "data")
PATHS = (VariancePreserving(), LinearInterpolation())


def moderate_times(path, count, dtype):
    t = torch.linspace(0, 1, 2001, dtype=torch.float64)
    kept = t[(path.alpha(t) >= 0.05) & (path.sigma(t) >= 0.05)]
    return kept[torch.linspace(0, len(kept) - 1, count).long()].to(dtype)


@pytest.fixture(scope="module", params=PATHS, ids=str)
def path(request):
    return request.param


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
def test_all_conversions_agree(path, dtype, tolerance):
    torch.manual_seed(0)
    t = moderate_times(path, 64, dtype)
    data, noise = torch.randn(64, 2, 3, 3, dtype=dtype), torch.randn(64, 2, 3, 3, dtype=dtype)
    noised = add_noise(path, data, noise, t)
    said = {kind: target(path, kind, data, noise, t) for kind in KINDS}
    for source, to in product(KINDS, KINDS):
        found = convert(path, said[source], noised, t, source=source, to=to)
        error = ((found - said[to]).abs() / (1 + said[to].abs())).max()
        # one division by alpha or sigma >= 0.05 magnifies rounding at most twentyfold
        assert error <= tolerance * 4, (source, to, error)
    for kind in KINDS:
        assert torch.allclose(data_estimate(path, kind, said[kind], noised, t), data, atol=20 * tolerance)
    assert torch.allclose(noise_estimate(path, data, noised, t), noise, atol=20 * tolerance)


def test_velocity_is_the_tangent_of_the_path(path):
    data, noise = torch.randn(1, 2, 3, 3, dtype=torch.float64), torch.randn(1, 2, 3, 3, dtype=torch.float64)
    t = torch.tensor([0.4], dtype=torch.float64)
    velocity = target(path, "velocity", data, noise, t)
    if path.kind == "linear-interpolation":
        step = 1e-6
        slope = (add_noise(path, data, noise, t + step) - add_noise(path, data, noise, t - step)) / (2 * step)
        assert torch.allclose(velocity, slope, atol=1e-6)
    else:
        # on the circle the tangent is orthogonal to the point, in the (data, noise) plane
        alpha, sigma = path.alpha(t), path.sigma(t)
        assert torch.allclose(velocity, alpha * noise - sigma * data)


def test_velocity_gives_the_data_even_from_pure_noise():
    path, noise, data = LinearInterpolation(), torch.randn(1, 2, 3, 3), torch.randn(1, 2, 3, 3)
    t = torch.ones(1, dtype=torch.float64)
    assert torch.allclose(data_estimate(path, "velocity", noise - data, noise, t), data, atol=1e-6)
