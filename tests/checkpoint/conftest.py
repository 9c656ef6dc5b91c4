"""Tiny random networks made by independent implementations."""

import os
import warnings

import pytest
import torch
from unet_peers import CONVERTIBLE, UNETS, make_unet

os.environ.setdefault("HF_HUB_OFFLINE", "1")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import diffusers

AUTOENCODERS = {
    "f = 4": {"channels": (32, 64, 64), "layers": 1, "latent": 3},
    "f = 8": {"channels": (32, 32, 64, 64), "layers": 2, "latent": 4},
    "f = 2, no attention": {"channels": (32, 64), "layers": 2, "latent": 8, "attention": False},
}


def pytest_generate_tests(metafunc):
    """Tests that take `unet` or `vae` run for every case."""
    for name, cases in (("unet", UNETS), ("convertible_unet", CONVERTIBLE), ("vae", AUTOENCODERS)):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, list(cases), indirect=True, scope="module")


@pytest.fixture(scope="module")
def unet(request):
    """A random network of another's making."""
    return make_unet(request.param)


@pytest.fixture(scope="module")
def convertible_unet(request):
    """The same of those that have single files."""
    return make_unet(request.param)


@pytest.fixture(scope="module")
def vae(request):
    """A random `AutoencoderKL`."""
    settings = AUTOENCODERS[request.param]
    levels = len(settings["channels"])
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings["channels"],
        layers_per_block=settings["layers"],
        latent_channels=settings["latent"],
        mid_block_add_attention=settings.get("attention", True),
    ).eval()
