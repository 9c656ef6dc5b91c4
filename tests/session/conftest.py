"""The toy model, and sessions of it."""

import pytest
from toy import build_model

from ildm.diffusion.path import VariancePreserving
from ildm.session.settings import Settings


@pytest.fixture(scope="session")
def model():
    return build_model()


@pytest.fixture(scope="session")
def published():
    """The same graph on a variance preserving path, for samplers that know no other."""
    return build_model(VariancePreserving())


@pytest.fixture
def settings():
    return Settings(prompt="a red rose", num_steps=12, guidance_scale=2.0, sampler="dpmpp-2m", seed=7, width=64, height=64)
