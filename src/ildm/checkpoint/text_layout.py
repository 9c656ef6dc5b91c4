"""Where the weights of CLIP's text encoders lie in a diffusers folder and in the single files of Stable Diffusion 1, 2 and XL.

Our names are those of transformers' projected model. OpenCLIP has queries, keys and values of a layer in one tensor, and its projection
lies on its side.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from ildm.checkpoint.fields import whole, words
from ildm.checkpoint.layout import Layout, Piece, Place, Third, Turned, fill_by_layout, rename
from ildm.checkpoint.weights import Weights
from ildm.conditioning.clip_encoder import ClipEncoder, ClipEncoderConfig
from ildm.core.errors import CheckpointError, ConfigError

STABLE_DIFFUSION_1 = "cond_stage_model.transformer."
STABLE_DIFFUSION_2 = "cond_stage_model.model."
XL = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
XL_REFINER = "conditioner.embedders.0.model."

_HEAD_WIDTH = 64  # of every published CLIP; heads leave no trace in any shape
_FUSED = ("q_proj", "k_proj", "v_proj")
_OPEN_CLIP_STEM = "transformer.resblocks."
_OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}
_OPEN_CLIP_BARE = {
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_projection.weight": "text_projection",
}
# names that tell the graph by their shapes
_OPEN_CLIP_TOLD = {
    "positions": "positional_embedding",
    "tokens": "token_embedding.weight",
    "layers": _OPEN_CLIP_STEM,
    "inside": "0.mlp.c_fc.weight",
    "projection": "text_projection",
}
_TOLD = {
    "positions": "{}embeddings.position_embedding.weight",
    "tokens": "{}embeddings.token_embedding.weight",
    "layers": "{}encoder.layers.",
    "inside": "0.mlp.fc1.weight",
    "projection": "text_projection.weight",
}
_FIXED = {"model_type": "clip_text_model", "layer_norm_eps": 1e-5, "use_attention_mask": False}
# a table of 0, 1, 2, ...; what only training needed; a mask that follows from the graph
_UNREAD = ("text_model.embeddings.position_ids", "embeddings.position_ids", "logit_scale", "attn_mask")


def diffusers_text(config: ClipEncoderConfig, *, wrapped: bool = True) -> Layout:
    """The layout of transformers' text models, in a folder and below `transformer.` in single files.

    Args:
        wrapped: whether names begin with `text_model.`, as all do but those that transformers has written since 5.6 for a model
            without projection.
    """
    return tuple(Piece(name, (name if wrapped else name.removeprefix("text_model."),)) for name in _names(config))


def open_clip_text(config: ClipEncoderConfig) -> Layout:
    """The layout of OpenCLIP's text models, below `model.` in single files."""
    places = dict(_open_clip_places(config))
    pieces = [_open_clip_piece(name, places) for name in _names(config)]
    return tuple(sorted(pieces, key=lambda piece: piece.place if isinstance(piece, Third) else 0))


def fill_text(encoder: ClipEncoder, weights: Weights) -> None:
    """Give an encoder on the meta device its weights, whichever of the layouts they have.

    Args:
        weights: of one text encoder, the file's prefix taken off. Tensors that the encoder's graph has no use for may be among them:
            layers behind its last one, a projection it does not have, what only training needs.

    Raises:
        CheckpointError: when they are of no known layout, or do not fit the encoder.
    """
    config = encoder.config
    if _is_open_clip(weights):
        layout = open_clip_text(config)
        behind = [f"{_OPEN_CLIP_STEM}{layer}." for layer in range(config.depth, _depth(weights, _OPEN_CLIP_STEM))]
        unread = (*_UNREAD, *behind, *(() if config.projection_width else ("text_projection",)))
    else:
        layout = diffusers_text(config, wrapped=_is_wrapped(weights))
        unread = (*_UNREAD, *(() if config.projection_width else ("text_projection.weight",)))
    fill_by_layout(encoder, layout, weights.without(*unread))


def detect_text(weights: Weights) -> ClipEncoderConfig:
    """The graph of the text encoder whose weights these are, the file's prefix taken off, with every layer and projection there is.

    Raises:
        CheckpointError: when names or shapes are not those of such an encoder.
    """
    open_clip = _is_open_clip(weights)
    names = (
        _OPEN_CLIP_TOLD
        if open_clip
        else {name: _TOLD[name].format("text_model." if _is_wrapped(weights) else "") for name in _TOLD}
    )
    projection = names["projection"]
    try:
        max_tokens, width = weights.shape(names["positions"])
        return ClipEncoderConfig(
            width=width,
            depth=_depth(weights, names["layers"]),
            num_heads=width // _HEAD_WIDTH,
            feed_forward_width=weights.shape(names["layers"] + names["inside"])[0],
            activation="gelu" if open_clip else "quick_gelu",
            projection_width=weights.shape(projection)[1 if open_clip else 0] if projection in weights else None,
            max_tokens=max_tokens,
            vocabulary_size=weights.shape(names["tokens"])[0],
        )
    except (KeyError, ValueError, IndexError, ConfigError) as error:
        raise CheckpointError(
            f"{weights.source} holds no text encoder of a kind that is known ({error} is missing or of another form)."
        ) from error


def text_from_diffusers(fields: Mapping[str, Any], *, source: str) -> ClipEncoderConfig:
    """The graph that a `text_encoder/config.json` describes.

    Raises:
        CheckpointError: when it is no CLIP text encoder, or asks for something our graph does not have; the setting is named.
    """
    for key, wanted in _FIXED.items():
        if fields.get(key, wanted) != wanted:
            raise CheckpointError(f"{source} sets {key} to {fields[key]!r}, but only {wanted!r} is supported.")
    if fields.get("hidden_act", "quick_gelu") not in ("quick_gelu", "gelu"):
        raise CheckpointError(
            f"{source} sets hidden_act to {fields['hidden_act']!r}, but only quick_gelu and gelu are supported."
        )
    projected = "CLIPTextModelWithProjection" in words(fields, "architectures", source)
    try:
        # what is not said is as transformers has it by default
        return ClipEncoderConfig(
            width=whole(fields, "hidden_size", 512, source),
            depth=whole(fields, "num_hidden_layers", 12, source),
            num_heads=whole(fields, "num_attention_heads", 8, source),
            feed_forward_width=whole(fields, "intermediate_size", 2048, source),
            activation=fields.get("hidden_act", "quick_gelu"),
            projection_width=whole(fields, "projection_dim", 512, source) if projected else None,
            max_tokens=whole(fields, "max_position_embeddings", 77, source),
            vocabulary_size=whole(fields, "vocab_size", 49408, source),
        )
    except ConfigError as error:
        raise CheckpointError(f"{source} describes a text encoder that cannot be built: {error}") from error


def text_to_diffusers(config: ClipEncoderConfig) -> dict[str, Any]:
    """The `text_encoder/config.json` of a graph."""
    projected = config.projection_width is not None
    return {
        "architectures": ["CLIPTextModelWithProjection" if projected else "CLIPTextModel"],
        "model_type": "clip_text_model",
        "hidden_size": config.width,
        "num_hidden_layers": config.depth,
        "num_attention_heads": config.num_heads,
        "intermediate_size": config.feed_forward_width,
        "hidden_act": config.activation,
        "layer_norm_eps": 1e-5,
        "projection_dim": config.projection_width if projected else config.width,
        "max_position_embeddings": config.max_tokens,
        "vocab_size": config.vocabulary_size,
        "bos_token_id": config.vocabulary_size - 2,
        "eos_token_id": config.vocabulary_size - 1,
        "pad_token_id": 1,
    }


def _open_clip_places(config: ClipEncoderConfig) -> Iterator[tuple[str, Place]]:
    yield "text_model.embeddings.token_embedding", Place("token_embedding")
    yield "text_model.final_layer_norm", Place("ln_final")
    for layer in range(config.depth):
        yield f"text_model.encoder.layers.{layer}", Place(f"{_OPEN_CLIP_STEM}{layer}", _OPEN_CLIP_LAYER)


def _open_clip_piece(ours: str, places: Mapping[str, Place]) -> Piece:
    if ours in _OPEN_CLIP_BARE:
        kind = Turned if ours == "text_projection.weight" else Piece
        return kind(ours, (_OPEN_CLIP_BARE[ours],))
    module, leaf = ours.rsplit(".", 1)
    name = module.rsplit(".", 1)[-1]
    if name not in _FUSED:
        return Piece(ours, (rename(ours, places),))
    layer = rename(module.removesuffix(f".self_attn.{name}") + f".{leaf}", places).removesuffix(f".{leaf}")
    return Third(ours, (f"{layer}.attn.in_proj_{leaf}",), place=_FUSED.index(name))


def _names(config: ClipEncoderConfig) -> list[str]:
    with torch.device("meta"):
        return list(ClipEncoder(config).state_dict())


def _is_open_clip(weights: Weights) -> bool:
    return "positional_embedding" in weights


def _is_wrapped(weights: Weights) -> bool:
    return any(name.startswith("text_model.") for name in weights)


def _depth(weights: Weights, stem: str) -> int:
    """How many layers there are, from 0 on without a gap."""
    found = {name.removeprefix(stem).split(".")[0] for name in weights if name.startswith(stem)}
    return next(count for count in itertools.count() if str(count) not in found)
