"""Tiny first stages."""

import pytest
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig


def tiny(**changes):
    fields = {"channels": (8, 16), "num_res_blocks": 1, "middle_attention": True, "latent_channels": 3, "fold": 2}
    torch.manual_seed(0)
    return Autoencoder(AutoencoderConfig(**(fields | changes)))


@pytest.fixture(scope="module")
def autoencoder():
    return tiny()


@pytest.fixture(scope="module")
def images():
    return torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
