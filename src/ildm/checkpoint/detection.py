"""The graph behind a single file, worked out from the names and shapes of its weights."""

from __future__ import annotations

from collections.abc import Iterator

from ildm.autoencoder.config import AutoencoderConfig
from ildm.checkpoint.weights import Weights
from ildm.core.errors import CheckpointError
from ildm.denoiser.config import UNetConfig

# The number of heads leaves no trace in any shape. The published networks keep to two rules: with convolutions around the transformers
# there are eight heads at every level (the paper's text model, Stable Diffusion 1), with linear layers each head is 64 wide (2 and XL).
_HEADS = 8
_HEAD_WIDTH = 64
# the unconditional models of faces and bedrooms
_PLAIN_HEAD_WIDTH = 32
# of networks that are told a guidance scale
_GUIDANCE = "time_embed.cond_proj.weight"


def detect_unet(weights: Weights) -> UNetConfig:
    """The graph of the U-Net whose weights lie in the paper's layout, without the prefix.

    Raises:
        CheckpointError: when names or shapes are not those of such a network.
    """
    try:
        return _unet(weights)
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{weights.source} holds no U-Net of a kind that is known ({_told(error)}).") from error


def detect_autoencoder(weights: Weights) -> AutoencoderConfig:
    """The graph of the autoencoder whose weights lie in the paper's layout, without the prefix.

    Raises:
        CheckpointError: when names or shapes are not those of such a network.
    """
    try:
        levels = _count(weights, "encoder.down.{}.block.0.norm1.weight")
        features, latent = weights.shape("post_quant_conv.weight")[:2]
        return AutoencoderConfig(
            channels=tuple(weights.shape(f"encoder.down.{level}.block.0.conv1.weight")[0] for level in range(levels)),
            num_res_blocks=_count(weights, "encoder.down.0.block.{}.norm1.weight"),
            attention_levels=tuple(level for level in range(levels) if f"encoder.down.{level}.attn.0.norm.weight" in weights),
            middle_attention="encoder.mid.attn_1.norm.weight" in weights,
            latent_channels=latent,
            feature_channels=None if features == latent else features,
            image_channels=weights.shape("encoder.conv_in.weight")[1],
        )
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(f"{weights.source} holds no autoencoder of a kind that is known ({_told(error)}).") from error


def _told(error: Exception) -> str:
    return (
        f"{error} is missing or of another form"
        if isinstance(error, KeyError)
        else "its weights have other names or are of another form"
    )


def _unet(weights: Weights) -> UNetConfig:
    levels = list(_levels(weights))[::-1]
    channels = tuple(weights.shape(f"output_blocks.{level[0]}.0.out_layers.3.weight")[0] for level in levels)
    depths = tuple(_depth(weights, f"output_blocks.{level[0]}.1") for level in levels)
    attended = next((name for name in sorted(weights) if name.endswith(".attn2.to_k.weight")), None)
    projection = next((name for name in sorted(weights) if name.endswith(".1.proj_in.weight")), None)
    plain = projection is None and any(name.endswith(".qkv.weight") for name in weights)
    linear = projection is not None and len(weights.shape(projection)) == 2
    entering, latent = weights.shape("input_blocks.0.0.weight")[1], weights.shape("out.2.weight")[0]
    time_width, width = weights.shape("time_embed.0.weight")
    first = weights.shape("input_blocks.1.0.emb_layers.1.weight")[0]
    # a residual block that halves the resolution has all parts of one; a convolution that does so is called op
    residual = f"input_blocks.{len(levels[0])}.0.in_layers.0.weight" in weights and len(levels) > 1
    heads = tuple(width // _HEAD_WIDTH for width in channels) if linear else (_HEADS,) * len(levels)
    return UNetConfig(
        in_channels=latent,
        out_channels=latent,
        concat_channels=entering - latent,
        channels=channels,
        res_blocks=tuple(len(level) - 1 for level in levels),
        depths=depths,
        mid_depth=_depth(weights, "middle_block.1"),
        attention="plain" if plain else "transformer",
        context_width=None if attended is None else weights.shape(attended)[1],
        linear_projection=linear,
        pooled_width=weights.shape("label_emb.0.0.weight")[1] if "label_emb.0.0.weight" in weights else None,
        labels=weights.shape("label_emb.weight")[0] if "label_emb.weight" in weights else None,
        guidance_width=weights.shape(_GUIDANCE)[1] if _GUIDANCE in weights else None,
        scale_shift_norm=first == 2 * channels[0],
        resample="residual" if residual else "convolution",
        time_channels=width if width != channels[0] else None,
        time_width=time_width if time_width != 4 * channels[0] else None,
        head_width=_PLAIN_HEAD_WIDTH if plain else None,
        heads=None if plain else heads,
    )


def _levels(weights: Weights) -> Iterator[list[int]]:
    """The output blocks of each level, coarsest first: a level ends with the block that also doubles the resolution."""
    level: list[int] = []
    for index in range(_count(weights, "output_blocks.{}.0.in_layers.0.weight")):
        level.append(index)
        after = (f"output_blocks.{index}.{place}.{part}.weight" for place in (1, 2) for part in ("conv", "in_layers.0"))
        if any(name in weights for name in after):
            yield level
            level = []
    yield level


def _depth(weights: Weights, attention: str) -> int:
    """Transformer blocks in an attention, 1 for a plain one, 0 where there is none."""
    if f"{attention}.qkv.weight" in weights:
        return 1
    return _count(weights, attention + ".transformer_blocks.{}.norm1.weight")


def _count(weights: Weights, pattern: str) -> int:
    """How many names of a numbered pattern there are, from 0 on without a gap."""
    count = 0
    while pattern.format(count) in weights:
        count += 1
    return count
