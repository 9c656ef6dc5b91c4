"""Configurations of a diffusers folder in our words, and ours in theirs. Nothing that changes the result is passed over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.core.errors import CheckpointError
from ildm.denoiser.config import UNetConfig
from ildm.diffusion.path import LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import Prediction

Fields = Mapping[str, Any]

_UNET_FIXED: dict[str, Any] = {
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
_UNET_READ = {
    "in_channels", "out_channels", "flip_sin_to_cos", "down_block_types", "mid_block_type", "up_block_types", "block_out_channels",
    "layers_per_block", "dropout", "norm_num_groups", "norm_eps", "cross_attention_dim", "transformer_layers_per_block",
    "attention_head_dim", "use_linear_projection", "class_embed_type", "addition_embed_type", "num_class_embeds",
    "resnet_time_scale_shift", "time_embedding_dim", "projection_class_embeddings_input_dim", "downsample_type", "upsample_type",
}  # fmt: skip
# these say how a model was trained, how it is run by default, or what cannot matter to one of our graphs
_UNET_FREE = {
    "sample_size", "addition_time_embed_dim", "addition_embed_type_num_heads", "upcast_attention", "num_train_timesteps",
    "attn_norm_num_groups",
}  # fmt: skip
# whether a kind of block has attention
_DOWN = {"DownBlock2D": False, "ResnetDownsampleBlock2D": False, "CrossAttnDownBlock2D": True, "AttnDownBlock2D": True}
_UP = {"UpBlock2D": False, "ResnetUpsampleBlock2D": False, "CrossAttnUpBlock2D": True, "AttnUpBlock2D": True}
_PREDICTIONS: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "velocity", "sample": "data"}

_AUTOENCODER_FIXED: dict[str, Any] = {"act_fn": "silu", "use_quant_conv": True, "use_post_quant_conv": True}


def unet_from_diffusers(fields: Fields, *, source: str) -> UNetConfig:
    """The graph that a `unet/config.json` describes.

    Raises:
        CheckpointError: when it asks for something our graph does not have; the setting is named.
    """
    conditional = "cross_attention_dim" in fields
    _check_fixed(fields, _UNET_FIXED, source)
    _check_known(fields, _UNET_READ | _UNET_FREE | set(_UNET_FIXED), source)
    channels = tuple(fields["block_out_channels"])
    levels = len(channels)
    attentive = _block_kinds(fields, "down_block_types", _DOWN, source)
    if _block_kinds(fields, "up_block_types", _UP, source)[::-1] != attentive:
        raise CheckpointError(
            f"{source} has attention at other levels on the way up than on the way down, which is not supported."
        )
    depths = _per_level(fields.get("transformer_layers_per_block", 1), levels)
    mid = fields.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    head = _per_level(fields.get("attention_head_dim") or 8, levels)
    residual = "resnet" in (fields.get("downsample_type"), fields.get("upsample_type"))
    residual = residual or any(kind.startswith("Resnet") for kind in fields["down_block_types"])
    latent, entering = int(fields.get("out_channels", 4)), int(fields.get("in_channels", 4))
    return UNetConfig(
        in_channels=latent,
        out_channels=latent,
        # what enters beside the noised latent: a mask and a masked image, a small image
        concat_channels=entering - latent,
        channels=channels,
        res_blocks=_per_level(fields.get("layers_per_block", 2), levels),
        depths=tuple(depth if given else 0 for depth, given in zip(depths, attentive, strict=True)),
        mid_depth=0 if mid is None else depths[-1],
        attention="transformer" if conditional else "plain",
        # diffusers calls the number of heads attention_head_dim in its conditional networks, and the width of one in the others
        heads=head if conditional else tuple(width // size for width, size in zip(channels, head, strict=True)),
        context_width=fields["cross_attention_dim"] if conditional else None,
        linear_projection=bool(fields.get("use_linear_projection", False)),
        pooled_width=fields.get("projection_class_embeddings_input_dim") if _takes_pooled(fields, source) else None,
        labels=fields.get("num_class_embeds"),
        scale_shift_norm=fields.get("resnet_time_scale_shift", "default") == "scale_shift",
        resample="residual" if residual else "convolution",
        time_width=fields.get("time_embedding_dim"),
        cosine_first=bool(fields.get("flip_sin_to_cos", True)),
        norm_groups=int(fields.get("norm_num_groups", 32)),
        norm_eps=float(fields.get("norm_eps", 1e-5)),
        dropout=float(fields.get("dropout", 0.0)),
    )


def unet_to_diffusers(config: UNetConfig, *, sample_size: int) -> dict[str, Any]:
    """The `unet/config.json` of a graph.

    Raises:
        CheckpointError: for what diffusers' networks lack.
    """
    if config.qk_norm or (config.concat_channels and config.attention == "plain"):
        raise CheckpointError(
            "diffusers' U-Net has no normalised queries and keys, so this model cannot be written in its layout."
        )
    conditional = config.attention == "transformer"
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
    }
    if config.pooled_width is not None:
        fields |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": config.pooled_width,
        }
    return fields


def autoencoder_from_diffusers(fields: Fields, *, source: str) -> tuple[AutoencoderConfig, LatentSpace]:
    """The graph and the latent space that a `vae/config.json` describes.

    Raises:
        CheckpointError: when it asks for something our graph does not have; the setting is named.
    """
    _check_fixed(fields, _AUTOENCODER_FIXED, source)
    channels = tuple(fields.get("block_out_channels", (64,)))
    latent_channels = int(fields.get("latent_channels", 4))
    if int(fields.get("norm_num_groups", 32)) != 32:
        raise CheckpointError(f"{source} sets norm_num_groups to {fields['norm_num_groups']}, but only 32 is supported.")
    config = AutoencoderConfig(
        channels=channels,
        num_res_blocks=int(fields.get("layers_per_block", 1)),
        middle_attention=bool(fields.get("mid_block_add_attention", True)),
        latent_channels=latent_channels,
        image_channels=int(fields.get("in_channels", 3)),
    )
    return config, _latent_space(fields, latent_channels, config.stride)


def autoencoder_to_diffusers(config: AutoencoderConfig, space: LatentSpace, *, sample_size: int) -> dict[str, Any]:
    """The `vae/config.json` of a first stage.

    Raises:
        CheckpointError: for what diffusers' autoencoder lacks.
    """
    if config.fold != 1 or config.attention_levels or config.bottleneck_features != config.latent_channels:
        raise CheckpointError(
            "diffusers' AutoencoderKL has no folded stem and no attention within levels, so this autoencoder cannot be written "
            "in its layout."
        )
    levels = len(config.channels)
    fields: dict[str, Any] = {
        "_class_name": "AutoencoderKL",
        "sample_size": sample_size,
        "in_channels": config.image_channels,
        "out_channels": config.image_channels,
        "block_out_channels": list(config.channels),
        "layers_per_block": config.num_res_blocks,
        "latent_channels": config.latent_channels,
        "norm_num_groups": 32,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "act_fn": "silu",
        "mid_block_add_attention": config.middle_attention,
    }
    if len(set(space.scale)) == len(set(space.shift)) == 1:
        return fields | {"scaling_factor": space.scale[0], "shift_factor": space.shift[0] or None}
    return fields | {
        "scaling_factor": 1.0,
        "latents_mean": list(space.shift),
        "latents_std": [1.0 / scale for scale in space.scale],
    }


def path_from_scheduler(fields: Fields, *, source: str) -> tuple[VariancePreserving | LinearInterpolation, Prediction]:
    """The path and the prediction that a `scheduler_config.json` describes.

    Raises:
        CheckpointError: for a schedule or a prediction that is not known.
    """
    if "FlowMatch" in str(fields.get("_class_name")):
        return LinearInterpolation(), "velocity"
    betas = fields.get("beta_schedule", "linear")
    kinds: dict[str, Literal["linear", "scaled_linear", "cosine"]] = {
        "linear": "linear",
        "scaled_linear": "scaled_linear",
        "squaredcos_cap_v2": "cosine",
    }
    if betas not in kinds or fields.get("trained_betas") is not None:
        raise CheckpointError(f"{source} has the noise schedule {betas!r} with its own betas, which is not supported.")
    kind = fields.get("prediction_type", "epsilon")
    if kind not in _PREDICTIONS:
        raise CheckpointError(f"{source} has the prediction type {kind!r}: known are {', '.join(_PREDICTIONS)}.")
    path = VariancePreserving(
        num_timesteps=int(fields.get("num_train_timesteps", 1000)),
        betas=kinds[betas],
        beta_start=float(fields.get("beta_start", 0.0001)),
        beta_end=float(fields.get("beta_end", 0.02)),
        zero_terminal_snr=bool(fields.get("rescale_betas_zero_snr", False)),
    )
    return path, _PREDICTIONS[kind]


def _takes_pooled(fields: Fields, source: str) -> bool:
    addition, classes = fields.get("addition_embed_type"), fields.get("class_embed_type")
    if addition not in (None, "text_time") or classes not in (None, "projection"):
        raise CheckpointError(
            f"{source} embeds {addition or classes!r} beside the time, but only text_time (Stable Diffusion XL) and projection are known."
        )
    return addition == "text_time" or classes == "projection"


def _latent_space(fields: Fields, channels: int, stride: int) -> LatentSpace:
    factor = float(fields.get("scaling_factor", 0.18215))
    mean, deviation = fields.get("latents_mean"), fields.get("latents_std")
    if mean is not None and deviation is not None:
        scale = tuple(factor / float(value) for value in deviation)
        return LatentSpace(channels=channels, stride=stride, scale=scale, shift=tuple(float(value) for value in mean))
    shift = float(fields.get("shift_factor") or 0.0)
    return LatentSpace(channels=channels, stride=stride, scale=(factor,) * channels, shift=(shift,) * channels)


def _block_kinds(fields: Fields, key: str, kinds: Mapping[str, bool], source: str) -> list[bool]:
    unknown = [kind for kind in fields[key] if kind not in kinds]
    if unknown:
        raise CheckpointError(f"{source} has blocks of the kind {unknown[0]!r} in {key}: known are {', '.join(kinds)}.")
    return [kinds[kind] for kind in fields[key]]


def _per_level(value: int | list[int] | tuple[int, ...], levels: int) -> tuple[int, ...]:
    return (value,) * levels if isinstance(value, int) else tuple(value)


def _one_or_list(values: tuple[int, ...]) -> int | list[int]:
    return values[0] if len(set(values)) == 1 else list(values)


def _check_fixed(fields: Fields, fixed: Fields, source: str) -> None:
    for key, wanted in fixed.items():
        if fields.get(key, wanted) != wanted:
            raise CheckpointError(f"{source} sets {key} to {fields[key]!r}, but only {wanted!r} is supported.")


def _check_known(fields: Fields, known: set[str], source: str) -> None:
    for key, value in fields.items():
        if key not in known and not key.startswith("_") and value not in (None, False):
            raise CheckpointError(f"{source} sets {key} to {value!r}, which this program does not know, so it is refused.")
