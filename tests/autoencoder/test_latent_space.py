"""Scale, shift and stride live in one place."""

import pytest
import torch

from ildm.autoencoder.latent_space import LatentSpace
from ildm.core.errors import ConfigError, ShapeError


@pytest.fixture(scope="module")
def raw():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(64, 3, 8, 8, generator=generator) * torch.tensor([0.1, 5.0, 40.0]).reshape(1, 3, 1, 1) + 7.0


def test_fitted_latents_have_zero_mean_and_unit_variance_per_channel(raw):
    latents = LatentSpace.fitted(raw, 8).normalise(raw)
    assert latents.mean((0, 2, 3)).abs().max() < 1e-3 and (latents.std((0, 2, 3)) - 1).abs().max() < 1e-3


def test_denormalise_is_the_inverse(raw):
    space = LatentSpace.fitted(raw, 8)
    assert torch.allclose(space.denormalise(space.normalise(raw)), raw, rtol=1e-4, atol=1e-3)


def test_a_constant_channel_stays_finite():
    assert torch.isfinite(LatentSpace.fitted(torch.ones(4, 2, 4, 4), 8).normalise(torch.ones(4, 2, 4, 4))).all()


def test_the_grid_of_an_image_size():
    assert LatentSpace.identity(4, 8).grid(64, 128) == (4, 16, 8)
    with pytest.raises(ShapeError, match="multiples of 8: try 96x64"):
        LatentSpace.identity(4, 8).grid(100, 64)


def test_statistics_of_the_wrong_length_are_refused():
    with pytest.raises(ConfigError, match="4 channels"):
        LatentSpace(channels=4, stride=8, scale=(1.0,), shift=(0.0,) * 4)
