"""An autoencoder's configuration and latent space in diffusers' words, and in ours."""

from __future__ import annotations

from typing import Any

from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.fields import Fields, check_fixed, number, numbers_or_none, whole, wholes
from ildm.core.errors import CheckpointError, ConfigError

_FIXED: dict[str, Any] = {"act_fn": "silu", "use_quant_conv": True, "use_post_quant_conv": True, "norm_num_groups": 32}


def autoencoder_from_diffusers(fields: Fields, *, source: str) -> tuple[AutoencoderConfig, LatentSpace]:
    """The graph and the latent space that a `vae/config.json` describes.

    Raises:
        CheckpointError: when it asks for something our graph does not have; the setting is named.
    """
    check_fixed(fields, _FIXED, source)
    latent_channels = whole(fields, "latent_channels", 4, source)
    channels = wholes(fields, "block_out_channels", (64,), source)
    odd = next((width for width in channels if width % 32), None)
    if odd is not None:
        raise CheckpointError(f"{source} has a level of {odd} channels, but only multiples of 32 are supported.")
    try:
        config = AutoencoderConfig(
            channels=channels,
            num_res_blocks=whole(fields, "layers_per_block", 1, source),
            middle_attention=bool(fields.get("mid_block_add_attention", True)),
            latent_channels=latent_channels,
            image_channels=whole(fields, "in_channels", 3, source),
        )
        return config, _latent_space(fields, latent_channels, config.stride, source)
    except ConfigError as error:
        raise CheckpointError(f"{source} describes an autoencoder that cannot be built: {error}") from error


def autoencoder_to_diffusers(config: AutoencoderConfig, space: LatentSpace, *, sample_size: int) -> dict[str, Any]:
    """The `vae/config.json` of a first stage.

    Raises:
        CheckpointError: for what diffusers' autoencoder lacks.
    """
    if config.codebook_size is not None:
        raise CheckpointError("An autoencoder with a codebook is not written in diffusers' layout: write the native one.")
    if (
        config.fold != 1
        or config.attention_levels
        or config.bottleneck_features != config.latent_channels
        or set(config.decoder_depths) != {config.num_res_blocks + 1}
    ):
        raise CheckpointError(
            "diffusers' AutoencoderKL has no folded stem, no attention within levels and one residual block more per level in its decoder "
            "than in its encoder, so this autoencoder cannot be written in its layout."
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


def _latent_space(fields: Fields, channels: int, stride: int, source: str) -> LatentSpace:
    factor = number(fields, "scaling_factor", 0.18215, source)
    mean, deviation = (numbers_or_none(fields, key, source) for key in ("latents_mean", "latents_std"))
    if mean is not None and deviation is not None:
        if 0.0 in deviation:
            raise CheckpointError(f"{source} sets latents_std to {list(deviation)}, but deviations are above 0.")
        scale = tuple(factor / value for value in deviation)
        return LatentSpace(channels=channels, stride=stride, scale=scale, shift=mean)
    shift = 0.0 if fields.get("shift_factor") is None else number(fields, "shift_factor", 0.0, source)
    return LatentSpace(channels=channels, stride=stride, scale=(factor,) * channels, shift=(shift,) * channels)
