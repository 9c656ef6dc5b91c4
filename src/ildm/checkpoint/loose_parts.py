"""Files that hold one network alone: an autoencoder or a U-Net to be put into a whole model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder, ldm_autoencoder
from ildm.checkpoint.detection import detect_autoencoder, detect_unet
from ildm.checkpoint.diffusers_autoencoder import autoencoder_from_diffusers
from ildm.checkpoint.diffusers_folder import find_weights, read_config
from ildm.checkpoint.families import AUTOENCODER, UNET
from ildm.checkpoint.layout import Layout, fill_by_layout
from ildm.checkpoint.unet_layout import diffusers_unet, ldm_unet
from ildm.checkpoint.weights import Weights, open_weights
from ildm.core.errors import CheckpointError
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

_FROM_TRAINING = ("loss.", "model_ema.")


def read_autoencoder_file(path: Path, wanted: LatentSpace) -> Autoencoder:
    """An autoencoder for a model whose U-Net knows the latents of `wanted`, from a file in either layout or a `vae/` folder.

    Raises:
        CheckpointError: when there is none, it is damaged, or its latents are of another size.
    """
    if path.is_dir():
        config, space = autoencoder_from_diffusers(read_config(path), source=str(path / "config.json"))
        layout, weights = diffusers_autoencoder(config), find_weights(path)
    else:
        weights = _part(open_weights(path), AUTOENCODER)
        if "encoder.mid_block.resnets.0.conv1.weight" in weights:
            config, space = autoencoder_from_diffusers(read_config(path.parent), source=str(path.parent / "config.json"))
            layout = diffusers_autoencoder(config)
        else:
            weights = weights.without(*_FROM_TRAINING)
            config = detect_autoencoder(weights)
            layout, space = ldm_autoencoder(config), replace(wanted, channels=config.latent_channels, stride=config.stride)
    if (space.channels, space.stride) != (wanted.channels, wanted.stride):
        raise CheckpointError(
            f"The autoencoder in {path} has latents of {space.channels} channels at 1/{space.stride} of the image's side, but this "
            f"model needs {wanted.channels} at 1/{wanted.stride}: use one of the model's own family."
        )
    with torch.device("meta"):
        network = Autoencoder(config, space)
    fill_by_layout(network, layout, weights)
    return network


def read_unet_file(path: Path, wanted: UNetConfig) -> UNet:
    """A U-Net of the graph `wanted`, from a file in either layout.

    It may be told a guidance scale where the model's own is not, and the other way round.

    Raises:
        CheckpointError: when there is none, it is damaged, or of another graph.
    """
    weights = _part(open_weights(path), UNET)
    if any("lora" in name.lower() for name in weights):
        raise CheckpointError(f"{path} is an adapter (LoRA), not a U-Net: give it as --lora.")
    layout: Layout
    if "conv_in.weight" in weights:
        told = "time_embedding.cond_proj.weight"
        wanted = replace(wanted, guidance_width=weights.shape(told)[-1] if told in weights else None)
        layout = diffusers_unet(wanted)
    else:
        found = detect_unet(weights)
        if found.channels != wanted.channels or found.context_width != wanted.context_width:
            raise CheckpointError(
                f"The U-Net in {path} has channels {found.channels} and reads context of width {found.context_width}, but "
                f"{wanted.channels} and {wanted.context_width} are this model's: use one of the model's own family."
            )
        wanted = replace(wanted, guidance_width=found.guidance_width)
        layout = ldm_unet(wanted)
    with torch.device("meta"):
        network = UNet(wanted)
    fill_by_layout(network, layout, weights)
    return network


def _part(weights: Weights, prefix: str) -> Weights:
    """A network's weights, from a file that holds it alone or among others."""
    return weights.under(prefix) if any(name.startswith(prefix) for name in weights) else weights
