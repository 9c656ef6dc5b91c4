"""A diffusers folder: `model_index.json` and a folder per part, read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder
from ildm.checkpoint.diffusers_config import autoencoder_from_diffusers, path_from_scheduler, unet_from_diffusers
from ildm.checkpoint.layout import fill_by_layout
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.checkpoint.weights import Weights, open_sharded, open_weights
from ildm.core.errors import CheckpointError
from ildm.denoiser.unet import UNet

INDEX = "model_index.json"
_WEIGHTS = ("diffusion_pytorch_model", "model")


def load_unet(folder: Path) -> UNet:
    """The U-Net of a `unet/` folder.

    Raises:
        CheckpointError: when it is damaged or a graph that is not supported.
    """
    config = unet_from_diffusers(read_config(folder), source=str(folder / "config.json"))
    with torch.device("meta"):
        network = UNet(config)
    fill_by_layout(network, diffusers_unet(config), find_weights(folder))
    return network


def load_autoencoder(folder: Path) -> Autoencoder:
    """The first stage of a `vae/` folder.

    Raises:
        CheckpointError: when it is damaged or a graph that is not supported.
    """
    config, space = autoencoder_from_diffusers(read_config(folder), source=str(folder / "config.json"))
    with torch.device("meta"):
        network = Autoencoder(config, space)
    fill_by_layout(network, diffusers_autoencoder(config), find_weights(folder))
    return network
