"""Models that LoRA files are for."""

import warnings

import pytest
import torch

from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

from lora_files import filled, model_of
from unet_peers import make_unet


@pytest.fixture(scope="module")
def sd():
    """The peer's U-Net of Stable Diffusion 1, and a model of ours with its weights."""
    peer = make_unet("SD 1, one block a level")
    return peer, model_of(filled(peer))


@pytest.fixture(scope="module")
def xl():
    """The same of Stable Diffusion XL."""
    peer = make_unet("XL, one block a level")
    return peer, model_of(filled(peer))


@pytest.fixture(scope="module")
def toy():
    """The smallest model with every kind of layer."""
    torch.manual_seed(0)
    unet = UNet(UNetConfig(channels=(32,), res_blocks=(1,), depths=(1,), heads=(2,), context_width=8, norm_groups=4))
    return model_of(unet.requires_grad_(False).eval())
