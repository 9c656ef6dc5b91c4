"""A U-Net's configuration in diffusers' words, and in ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ildm.checkpoint.fields import (
    Fields,
    check_fixed,
    check_known,
    number,
    whole,
    whole_or_none,
    wholes,
    wholes_per_level,
    words,
)
from ildm.core.errors import CheckpointError, ConfigError
from ildm.denoiser.config import UNetConfig

_FIXED: dict[str, Any] = {
    "act_fn": "silu",
    "center_input_sample": False,
    "freq_shift": 0,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "resnet_skip_time_act": False,
    "resnet_out_scale_factor": 1.0,
    "time_embedding_type": "positional",
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "attention_type": "default",
    "add_attention": True,
}
_READ = {
    "in_channels", "out_channels", "flip_sin_to_cos", "down_block_types", "mid_block_type", "up_block_types", "block_out_channels",
    "layers_per_block", "dropout", "norm_num_groups", "norm_eps", "cross_attention_dim", "transformer_layers_per_block",
    "attention_head_dim", "use_linear_projection", "class_embed_type", "addition_embed_type", "num_class_embeds",
    "resnet_time_scale_shift", "time_embedding_dim", "projection_class_embeddings_input_dim", "downsample_type", "upsample_type",
    "time_cond_proj_dim",
}  # fmt: skip
# these say how a model was trained, how it is run by default, or what cannot matter to one of our graphs
_FREE = {
    "sample_size", "addition_time_embed_dim", "addition_embed_type_num_heads", "upcast_attention", "num_train_timesteps",
}  # fmt: skip
_MIDDLES = ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D")
# whether a kind of block has attention
_DOWN = {"DownBlock2D": False, "ResnetDownsampleBlock2D": False, "CrossAttnDownBlock2D": True, "AttnDownBlock2D": True}
_UP = {"UpBlock2D": False, "ResnetUpsampleBlock2D": False, "CrossAttnUpBlock2D": True, "AttnUpBlock2D": True}


def unet_from_diffusers(fields: Fields, *, source: str) -> UNetConfig:
    """The graph that a `unet/config.json` describes.

    Raises:
        CheckpointError: when it asks for something our graph does not have; the setting is named.
    """
    missing = [key for key in ("block_out_channels", "down_block_types", "up_block_types") if key not in fields]
    if missing:
        raise CheckpointError(f"{source} lacks {missing[0]}, so it describes no U-Net: fetch the model again.")
    conditional = "cross_attention_dim" in fields
    check_fixed(fields, _FIXED, source)
    check_known(fields, _READ | _FREE | set(_FIXED), source)
    channels = wholes(fields, "block_out_channels", (), source)
    levels = len(channels)
    attentive = _block_kinds(fields, "down_block_types", _DOWN, source)
    if _block_kinds(fields, "up_block_types", _UP, source)[::-1] != attentive:
        raise CheckpointError(
            f"{source} has attention at other levels on the way up than on the way down, which is not supported."
        )
    if len(attentive) != levels:
        raise CheckpointError(
            f"{source} has {levels} levels by block_out_channels, but {len(attentive)} by down_block_types: fetch the model again."
        )
    depths = wholes_per_level(fields, "transformer_layers_per_block", 1, levels, source)
    if fields.get("mid_block_type", _MIDDLES[0]) not in _MIDDLES:
        raise CheckpointError(f"{source} sets mid_block_type to {fields['mid_block_type']!r}, which is not supported.")
    head = (8,) * levels
    if fields.get("attention_head_dim") is not None:
        head = wholes_per_level(fields, "attention_head_dim", 8, levels, source)
    residual = "resnet" in (fields.get("downsample_type"), fields.get("upsample_type"))
    residual = residual or any(kind.startswith("Resnet") for kind in words(fields, "down_block_types", source))
    latent, entering = whole(fields, "out_channels", 4, source), whole(fields, "in_channels", 4, source)
    if entering < latent:
        raise CheckpointError(f"{source} takes {entering} channels and gives {latent}, which is not supported.")
    settings: dict[str, Any] = {
        "in_channels": latent,
        "out_channels": latent,
        # what enters beside the noised latent: a mask and a masked image, a small image
        "concat_channels": entering - latent,
        "channels": channels,
        "res_blocks": wholes_per_level(fields, "layers_per_block", 2, levels, source),
        "depths": tuple(depth if given else 0 for depth, given in zip(depths, attentive, strict=True)),
        "mid_depth": depths[-1],
        "attention": "transformer" if conditional else "plain",
        # diffusers calls the number of heads attention_head_dim in its conditional networks, and the width of one in the others
        "heads": head if conditional else tuple(width // size for width, size in zip(channels, head, strict=True)),
        "context_width": whole_or_none(fields, "cross_attention_dim", source) if conditional else None,
        "linear_projection": bool(fields.get("use_linear_projection", False)),
        "pooled_width": whole_or_none(fields, "projection_class_embeddings_input_dim", source)
        if _takes_pooled(fields, source)
        else None,
        "labels": whole_or_none(fields, "num_class_embeds", source),
        "guidance_width": whole_or_none(fields, "time_cond_proj_dim", source),
        "scale_shift_norm": fields.get("resnet_time_scale_shift", "default") == "scale_shift",
        "resample": "residual" if residual else "convolution",
        "time_width": whole_or_none(fields, "time_embedding_dim", source),
        "cosine_first": bool(fields.get("flip_sin_to_cos", True)),
        "norm_groups": whole(fields, "norm_num_groups", 32, source),
        "norm_eps": number(fields, "norm_eps", 1e-5, source),
        "dropout": number(fields, "dropout", 0.0, source),
    }
    try:
        return UNetConfig(**settings)
    except ConfigError as error:
        raise CheckpointError(f"{source} describes a U-Net that cannot be built: {error}") from error


def unet_to_diffusers(config: UNetConfig, *, sample_size: int) -> dict[str, Any]:
    """The `unet/config.json` of a graph.

    Raises:
        CheckpointError: for what diffusers' networks lack.
    """
    conditional = config.attention == "transformer"
    _check_expressible(config)
    attentive = [depth > 0 for depth in config.depths]
    down, up = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D") if conditional else ("AttnDownBlock2D", "AttnUpBlock2D")
    fields: dict[str, Any] = {
        "_class_name": "UNet2DConditionModel" if conditional else "UNet2DModel",
        "sample_size": sample_size,
        "in_channels": config.in_channels + config.concat_channels,
        "out_channels": config.out_channels,
        "block_out_channels": list(config.channels),
        "layers_per_block": _one_or_list(config.res_blocks) if conditional else config.res_blocks[0],
        "down_block_types": [down if given else "DownBlock2D" for given in attentive],
        "up_block_types": [up if given else "UpBlock2D" for given in reversed(attentive)],
        "attention_head_dim": _one_or_list(
            tuple(config.heads_at(level) for level in range(config.levels))
            if conditional
            else tuple(width // config.heads_at(level) for level, width in enumerate(config.channels))
        ),
        "resnet_time_scale_shift": "scale_shift" if config.scale_shift_norm else "default",
        "flip_sin_to_cos": config.cosine_first,
        "norm_num_groups": config.norm_groups,
        "norm_eps": config.norm_eps,
        "dropout": config.dropout,
        "num_class_embeds": config.labels,
    }
    if not conditional:
        kind = "resnet" if config.resample == "residual" else "conv"
        return fields | {"downsample_type": kind, "upsample_type": kind}
    fields |= {
        "cross_attention_dim": config.context_width,
        "transformer_layers_per_block": _one_or_list(tuple(max(1, depth) for depth in config.depths)),
        "use_linear_projection": config.linear_projection,
        "time_embedding_dim": config.time_width,
        "time_cond_proj_dim": config.guidance_width,
    }
    if config.pooled_width is not None:
        fields |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": config.pooled_width,
        }
    return fields


def _check_expressible(config: UNetConfig) -> None:
    """Refuse what diffusers' networks lack, and what its configurations cannot say."""
    plain = config.attention == "plain"
    lacking = {
        "normalised queries and keys": config.qk_norm,
        "a middle of another depth than the last level's": config.mid_depth != max(1, config.depths[-1]),
        "a time embedding of another width than the first level's": config.time_channels not in (None, config.channels[0]),
        "residual resampling in a network with transformers": config.resample == "residual" and not plain,
        "another number of blocks at each level without transformers": plain and len(set(config.res_blocks)) > 1,
        "channels beside the latent without transformers": plain and config.concat_channels > 0,
        "a pooled vector, a guidance scale or a time embedding of its own width without transformers": plain
        and not (config.pooled_width is config.guidance_width is config.time_width is None),
        "linear projections without transformers": plain and config.linear_projection,
        "transformers without a context": not plain and config.context_width is None,
        "another output than a latent": config.in_channels != config.out_channels,
    }
    for what, present in lacking.items():
        if present:
            raise CheckpointError(f"diffusers' U-Net has no place for {what}, so this model cannot be written in its layout.")


def _takes_pooled(fields: Fields, source: str) -> bool:
    addition, classes = fields.get("addition_embed_type"), fields.get("class_embed_type")
    if addition not in (None, "text_time") or classes not in (None, "projection"):
        raise CheckpointError(
            f"{source} embeds {addition or classes!r} beside the time, but only text_time (Stable Diffusion XL) and projection are known."
        )
    return addition == "text_time" or classes == "projection"


def _block_kinds(fields: Fields, key: str, kinds: Mapping[str, bool], source: str) -> list[bool]:
    found = words(fields, key, source)
    unknown = [kind for kind in found if kind not in kinds]
    if unknown:
        raise CheckpointError(f"{source} has blocks of the kind {unknown[0]!r} in {key}: known are {', '.join(kinds)}.")
    return [kinds[kind] for kind in found]


def _one_or_list(values: tuple[int, ...]) -> int | list[int]:
    return values[0] if len(set(values)) == 1 else list(values)
