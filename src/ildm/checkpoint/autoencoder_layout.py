"""Where the autoencoder's weights lie in a diffusers folder and in the paper's single files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.checkpoint.layout import Layout, Piece, Place, rename

Placed = Iterator[tuple[str, Place]]

_DIFFUSERS_ATTENTION = {"norm": "group_norm", "to_out": "to_out.0"}
_LDM_ATTENTION = {"to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}
_LDM_RESNET = {"conv_shortcut": "nin_shortcut"}


def diffusers_autoencoder(config: AutoencoderConfig) -> Layout:
    """The layout of `AutoencoderKL`."""
    return _layout(config, dict(_diffusers_places(config)), attention_trailing=0)


def ldm_autoencoder(config: AutoencoderConfig) -> Layout:
    """The layout below `first_stage_model.` in the files of the paper and of Stable Diffusion."""
    return _layout(config, dict(_ldm_places(config)), attention_trailing=2)


def _diffusers_places(config: AutoencoderConfig) -> Placed:
    yield from _bottleneck(config)
    for coder, blocks, resample in (("encoder", "down_blocks", "downsamplers"), ("decoder", "up_blocks", "upsamplers")):
        yield f"{coder}.conv_in", Place(f"{coder}.conv_in")
        yield f"{coder}.conv_out", Place(f"{coder}.conv_out")
        yield f"{coder}.norm_out", Place(f"{coder}.conv_norm_out")
        yield f"{coder}.middle.resnet1", Place(f"{coder}.mid_block.resnets.0")
        yield f"{coder}.middle.attention", Place(f"{coder}.mid_block.attentions.0", _DIFFUSERS_ATTENTION)
        yield f"{coder}.middle.resnet2", Place(f"{coder}.mid_block.resnets.1")
        for level in range(len(config.channels)):
            ours, theirs = f"{coder}.levels.{level}", f"{coder}.{blocks}.{level}"
            yield f"{ours}.resnets", Place(f"{theirs}.resnets")
            yield f"{ours}.attentions", Place(f"{theirs}.attentions", _DIFFUSERS_ATTENTION)
            yield f"{ours}.resample", Place(f"{theirs}.{resample}.0")


def _ldm_places(config: AutoencoderConfig) -> Placed:
    yield from _bottleneck(config)
    for coder, side, resample in (("encoder", "down", "downsample"), ("decoder", "up", "upsample")):
        for name in ("conv_in", "conv_out", "norm_out"):
            yield f"{coder}.{name}", Place(f"{coder}.{name}")
        yield f"{coder}.middle.resnet1", Place(f"{coder}.mid.block_1", _LDM_RESNET)
        yield f"{coder}.middle.attention", Place(f"{coder}.mid.attn_1", _LDM_ATTENTION)
        yield f"{coder}.middle.resnet2", Place(f"{coder}.mid.block_2", _LDM_RESNET)
        last = len(config.channels) - 1
        for level in range(last + 1):
            # theirs counts the decoder's levels from the image, ours in the order of the walk
            ours, theirs = f"{coder}.levels.{level}", f"{coder}.{side}.{level if side == 'down' else last - level}"
            yield f"{ours}.resnets", Place(f"{theirs}.block", _LDM_RESNET)
            yield f"{ours}.attentions", Place(f"{theirs}.attn", _LDM_ATTENTION)
            yield f"{ours}.resample", Place(f"{theirs}.{resample}")


def _bottleneck(config: AutoencoderConfig) -> Placed:
    yield "bottleneck.to_moments" if config.codebook_size is None else "bottleneck.to_latent", Place("quant_conv")
    yield "bottleneck.from_latent", Place("post_quant_conv")
    yield "bottleneck.codebook", Place("quantize.embedding")


def _layout(config: AutoencoderConfig, places: Mapping[str, Place], *, attention_trailing: int) -> Layout:
    with torch.device("meta"):
        weights = Autoencoder(config).state_dict()

    def trailing(name: str) -> int:
        return attention_trailing if ".to_" in name and "bottleneck" not in name else 0

    return tuple(Piece(name, (rename(name, places),), trailing(name)) for name in weights)
