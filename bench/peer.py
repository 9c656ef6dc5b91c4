"""diffusers' network for one of our U-Nets: the same graph with the same weights, called the same way."""

from __future__ import annotations

import os
import re
import warnings

import torch
from torch import Tensor, nn

from ildm.core.types import Conditioning
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

NAMES = [
    (r"\.downsampler\.", ".downsamplers.0."),
    (r"\.upsampler\.", ".upsamplers.0."),
    (r"\.ff\.proj_in\.", ".ff.net.0.proj."),
    (r"\.ff\.proj_out\.", ".ff.net.2."),
    (r"\.to_out\.", ".to_out.0."),
    (r"^add_embedding\.", "class_embedding."),
]


class Peer(nn.Module):
    """`UNet2DConditionModel` behind our U-Net's signature."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, noised: Tensor, timestep: Tensor, conditioning: Conditioning) -> Tensor:
        return self.network(
            noised,
            timestep,
            encoder_hidden_states=conditioning.context,
            encoder_attention_mask=conditioning.context_mask,
            class_labels=conditioning.pooled,
            return_dict=False,
        )[0]


def peer_of(network: UNet, *, dtype: torch.dtype = torch.float32) -> Peer:
    """diffusers' twin of a text-conditional U-Net with convolutional resampling."""
    twin = _empty_twin(network.config).eval()
    weights = {}
    for name, value in network.state_dict().items():
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        weights[name] = value
    twin.load_state_dict(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Peer(twin.to(dtype))


def _empty_twin(config: UNetConfig) -> nn.Module:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import UNet2DConditionModel, logging

    logging.set_verbosity_error()
    with_attention = [depth > 0 for depth in config.depths]
    return UNet2DConditionModel(
        in_channels=config.in_channels + config.concat_channels,
        out_channels=config.out_channels,
        block_out_channels=config.channels,
        layers_per_block=config.res_blocks,
        down_block_types=tuple("CrossAttnDownBlock2D" if given else "DownBlock2D" for given in with_attention),
        up_block_types=tuple("CrossAttnUpBlock2D" if given else "UpBlock2D" for given in reversed(with_attention)),
        transformer_layers_per_block=tuple(max(depth, 1) for depth in config.depths),
        cross_attention_dim=config.context_width,
        # diffusers' name for the number of heads
        attention_head_dim=tuple(config.heads_at(level) for level in range(config.levels)),
        use_linear_projection=config.linear_projection,
        norm_num_groups=config.norm_groups,
        norm_eps=config.norm_eps,
        # diffusers' way to a network that also takes a pooled vector
        class_embed_type="projection" if config.pooled_width else None,
        projection_class_embeddings_input_dim=config.pooled_width,
    )
