"""How much arithmetic a network costs, counted while it computes: the same on every machine, whatever the clock says."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.core.types import Conditioning
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet


@cache
def denoising(graph: UNetConfig, side: int) -> int:
    """Floating-point operations of one evaluation of one latent; a multiplication and its addition count as two."""
    with FlopCounterMode(display=False) as counter:
        _predict(graph, side)
    return counter.get_total_flops()


@cache
def denoiser_training(graph: UNetConfig, side: int, tokens: int = 1) -> int:
    """Operations of one latent's part in a training step, forward and backward. Optimizer and averaging are not counted.

    Args:
        tokens: that cross-attention reads, where the graph has it.
    """
    with FlopCounterMode(display=False) as counter:
        _predict(graph, side, tokens).sum().backward()
    return counter.get_total_flops()


@cache
def autoencoder_training(graph: AutoencoderConfig, side: int) -> int:
    """Operations of one image's part in a training step of the autoencoder, without perceptual network and discriminator.

    Args:
        side: of the images, pixels.
    """
    autoencoder = Autoencoder(graph)
    with FlopCounterMode(display=False) as counter:
        raw = autoencoder.posterior(torch.zeros(1, graph.image_channels, side, side)).mode
        autoencoder.reconstruct(raw).sum().backward()
    return counter.get_total_flops()


def _predict(graph: UNetConfig, side: int, tokens: int = 1) -> Tensor:
    given = Conditioning(
        context=None if graph.context_width is None else torch.zeros(1, tokens, graph.context_width),
        pooled=None if graph.pooled_width is None else torch.zeros(1, graph.pooled_width),
        label=None if graph.labels is None else torch.zeros(1, dtype=torch.long),
        concat=torch.zeros(1, graph.concat_channels, side, side) if graph.concat_channels else None,
    )
    return UNet(graph)(torch.zeros(1, graph.in_channels, side, side), torch.zeros(1), given)
