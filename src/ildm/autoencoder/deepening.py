"""A first stage gets a deeper decoder: the blocks that are new do nothing at first, and training goes on from what was there."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.blocks import ResBlock
from ildm.autoencoder.coder import Level
from ildm.autoencoder.config import AutoencoderConfig


def deepens(config: AutoencoderConfig, former: AutoencoderConfig) -> bool:
    """Whether a first stage of graph `config` is one of graph `former` with the same number of decoder blocks, or more, at each level."""
    if len(config.channels) != len(former.channels):
        return False
    enough = all(now >= before for now, before in zip(config.decoder_depths, former.decoder_depths, strict=True))
    return enough and replace(former, decoder_res_blocks=config.decoder_res_blocks) == config


@torch.no_grad()
def take_weights(autoencoder: Autoencoder, former: Autoencoder) -> None:
    """Give a first stage the weights and the latent space of one that it `deepens`; it then decodes as that does, to the last bit."""
    for level, shallow in zip(autoencoder.decoder.levels, former.decoder.levels, strict=True):
        assert isinstance(level, Level) and isinstance(shallow, Level)
        for block in level.resnets[len(shallow.resnets) :]:
            assert isinstance(block, ResBlock)
            for weight in block.conv2.parameters():
                nn.init.zeros_(weight)
    autoencoder.load_state_dict(autoencoder.state_dict() | former.state_dict())
    autoencoder.latent_space = former.latent_space
