"""The toy model, sessions of it, and a twin whose network costs nothing."""

import pytest
import torch
from toy import build_model

from ildm.core.masks import area_average
from ildm.diffusion.path import VariancePreserving
from ildm.session.settings import Settings


@pytest.fixture(scope="session")
def model():
    return build_model()


@pytest.fixture(scope="session")
def published():
    """The same graph on a variance preserving path, for samplers that know no other."""
    return build_model(VariancePreserving())


@pytest.fixture(scope="session")
def quick():
    """The toy model with a network of three lines, for tests that take many steps. It heeds places, times and prompts."""
    return with_quick_network(build_model())


@pytest.fixture(scope="session")
def quick_published():
    """The quick model on a variance preserving path."""
    return with_quick_network(build_model(VariancePreserving()))


def with_quick_network(model):
    def predict(noised, time, conditioning):
        if conditioning.regions is None:
            told = conditioning.context.to(noised.dtype).mean(dim=1)[:, :4, None, None]
        else:
            weights = area_average(conditioning.regions.weights, noised.shape[2:])
            words = conditioning.regions.context.mean(dim=2)[..., :4]
            told = torch.einsum("brhw,brc->bchw", weights.to(noised.dtype), words.to(noised.dtype))
        across, along = noised.roll(1, dims=-1), noised.roll(-2, dims=-2)
        return torch.tanh(0.4 * across - 0.3 * along + told) + 1e-3 * time.to(noised.dtype)[:, None, None, None] * noised

    model._predict = predict
    return model


@pytest.fixture
def settings():
    return Settings(prompt="a red rose", num_steps=12, guidance_scale=2.0, sampler="dpmpp-2m", seed=7, width=64, height=64)
