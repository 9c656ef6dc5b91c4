"""Where the U-Net's weights lie in a diffusers folder and in the paper's single files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from ildm.checkpoint.layout import Layout, Piece, Place, rename
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet

Placed = Iterator[tuple[str, Place]]

_TRANSFORMER = {"to_out": "to_out.0", "ff.proj_in": "ff.net.0.proj", "ff.proj_out": "ff.net.2"}
_LDM_PLAIN = {"group_norm": "norm", "to_out": "proj_out"}
_LDM_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def diffusers_unet(config: UNetConfig) -> Layout:
    """The layout of `UNet2DConditionModel` and `UNet2DModel`."""
    return _layout(config, dict(_diffusers_places(config)), split=True)


def ldm_unet(config: UNetConfig) -> Layout:
    """The layout below `model.diffusion_model.` in the files of the paper and of Stable Diffusion."""
    return _layout(config, dict(_ldm_places(config)), split=False)


def _diffusers_places(config: UNetConfig) -> Placed:
    attention = Place("", {"to_out": "to_out.0"} if config.attention == "plain" else _TRANSFORMER)
    for name in ("time_embedding", "class_embedding", "add_embedding", "conv_in", "conv_norm_out", "conv_out", "mid_block"):
        yield name, Place(name, attention.parts)
    for side in ("down", "up"):
        for level in range(config.levels):
            block = f"{side}_blocks.{level}"
            yield block, Place(block, attention.parts)
            yield f"{block}.{side}sampler", Place(f"{block}.{side}samplers.0")


def _ldm_places(config: UNetConfig) -> Placed:
    yield "time_embedding", Place("time_embed", {"linear_1": "0", "linear_2": "2"})
    yield "class_embedding", Place("label_emb")
    yield "add_embedding", Place("label_emb.0", {"linear_1": "0", "linear_2": "2"})
    yield "conv_in", Place("input_blocks.0.0")
    yield "conv_norm_out", Place("out.0")
    yield "conv_out", Place("out.2")
    yield from _ldm_down(config)
    yield "mid_block.resnets.0", Place("middle_block.0", _LDM_RESNET)
    yield "mid_block.attentions.0", Place("middle_block.1", _ldm_attention(config))
    yield "mid_block.resnets.1", Place(f"middle_block.{2 if config.mid_depth else 1}", _LDM_RESNET)
    yield from _ldm_up(config)


def _ldm_down(config: UNetConfig) -> Placed:
    index = 1
    for level in range(config.levels):
        block = f"down_blocks.{level}"
        for number in range(config.res_blocks[level]):
            yield f"{block}.resnets.{number}", Place(f"input_blocks.{index}.0", _LDM_RESNET)
            yield f"{block}.attentions.{number}", Place(f"input_blocks.{index}.1", _ldm_attention(config))
            index += 1
        if level < config.levels - 1:
            yield f"{block}.downsampler", Place(f"input_blocks.{index}.0", _LDM_RESNET | {"conv": "op"})
            index += 1


def _ldm_up(config: UNetConfig) -> Placed:
    index = 0
    for step, level in enumerate(reversed(range(config.levels))):
        block = f"up_blocks.{step}"
        for number in range(config.res_blocks[level] + 1):
            yield f"{block}.resnets.{number}", Place(f"output_blocks.{index}.0", _LDM_RESNET)
            yield f"{block}.attentions.{number}", Place(f"output_blocks.{index}.1", _ldm_attention(config))
            index += 1
        if level > 0:
            yield f"{block}.upsampler", Place(f"output_blocks.{index - 1}.{2 if config.depths[level] else 1}", _LDM_RESNET)


def _ldm_attention(config: UNetConfig) -> Mapping[str, str]:
    return _LDM_PLAIN if config.attention == "plain" else _TRANSFORMER


def _layout(config: UNetConfig, places: Mapping[str, Place], *, split: bool) -> Layout:
    """Pieces for every weight of the graph; `split`: theirs keeps queries, keys and values of a plain attention apart."""
    with torch.device("meta"):
        weights: dict[str, Tensor] = UNet(config).state_dict()
    return tuple(_piece(config, name, rename(name, places), split=split) for name in weights)


def _piece(config: UNetConfig, ours: str, theirs: str, *, split: bool) -> Piece:
    if config.attention == "transformer" or ".attentions." not in ours:
        return Piece(ours, (theirs,))
    if not split:
        # the paper's plain attention projects by convolutions over a sequence
        return Piece(ours, (theirs,), trailing=0 if "norm" in ours else 1)
    if ".qkv." not in ours:
        return Piece(ours, (theirs,))
    level = _level_of(config, ours)
    return Piece(
        ours, tuple(theirs.replace(".qkv.", f".{name}.") for name in ("to_q", "to_k", "to_v")), heads=config.heads_at(level)
    )


def _level_of(config: UNetConfig, name: str) -> int:
    side, number = name.split(".")[:2]
    if side == "mid_block":
        return config.levels - 1
    return int(number) if side == "down_blocks" else config.levels - 1 - int(number)
