"""The parts of a diffusers folder: one folder per network, with its configuration and its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder
from ildm.checkpoint.diffusers_autoencoder import autoencoder_from_diffusers
from ildm.checkpoint.diffusers_unet import unet_from_diffusers
from ildm.checkpoint.layout import fill_by_layout
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.checkpoint.weights import Weights, open_sharded, open_weights
from ildm.core.errors import CheckpointError
from ildm.denoiser.unet import UNet

# of diffusers' networks and of transformers'; the half-precision variant serves when it is the only one
_STEMS = ("diffusion_pytorch_model", "model")
_VARIANTS = ("", ".fp16")


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


def read_config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A part's configuration.

    Raises:
        CheckpointError: when it is missing or no JSON object.
    """
    path = folder / name
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} is missing: the model is incomplete; fetch it again.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch the model again.") from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} holds no JSON object: fetch the model again.")
    return fields


def find_weights(folder: Path) -> Weights:
    """A part's weights, in one file or in shards.

    Raises:
        CheckpointError: when there are none, or only pickled ones.
    """
    for stem in _STEMS:
        for variant in _VARIANTS:
            single = folder / f"{stem}{variant}.safetensors"
            if single.is_file():
                return open_weights(single)
            for index in (f"{stem}.safetensors.index{variant}.json", f"{stem}{variant}.safetensors.index.json"):
                if (folder / index).is_file():
                    return open_sharded(folder / index)
    if pickled := sorted(folder.glob("*.bin")):
        raise CheckpointError(
            f"{folder} holds its weights only as {pickled[0].name}, which is pickled and can run any code when opened, so it is "
            "refused: fetch the .safetensors variant of this model, or convert it with a tool you trust."
        )
    raise CheckpointError(f"{folder} holds no .safetensors weights: fetch the model again.")
