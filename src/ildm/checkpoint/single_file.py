"""One `.safetensors` file that holds a whole Stable Diffusion model, in the paper's layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.assembly import Configurations, assemble, described, reassemble
from ildm.checkpoint.autoencoder_layout import ldm_autoencoder
from ildm.checkpoint.clip_text import (
    VOCABULARIES_KEY,
    AnyClipConfig,
    carried_vocabulary,
    clip_config_from_json,
    encoders,
    make_clip,
    own_clip_vocabulary,
    vocabularies_to_carry,
)
from ildm.checkpoint.detection import detect_autoencoder, detect_unet
from ildm.checkpoint.families import (
    AUTOENCODER,
    AVERAGED,
    UNET,
    Family,
    family_of,
    find_family,
    is_set_aside,
    path_of,
    settle_prediction,
)
from ildm.checkpoint.layout import fill_by_layout, write_layout
from ildm.checkpoint.portable import PORTABLE_KEY, from_portable, to_portable
from ildm.checkpoint.tensors import save_tensors
from ildm.checkpoint.text_layout import detect_text, diffusers_text, fill_text, open_clip_text
from ildm.checkpoint.unet_layout import ldm_unet
from ildm.checkpoint.weights import Weights, open_weights
from ildm.conditioning.clip import ClipConditioner, ClipConfig
from ildm.conditioning.clip_encoder import VIT_H
from ildm.conditioning.clip_pair import REFINER_SCORE, ClipPairConditioner, ClipPairConfig
from ildm.conditioning.clip_vocabulary import END, OPEN_CLIP_PADDING
from ildm.core.errors import CheckpointError
from ildm.core.files import atomic_file
from ildm.core.manifest import Manifest
from ildm.diffusion.prediction import Prediction
from ildm.model import Model

SUFFIX = ".safetensors"


class SingleFileFormat:
    """A file with U-Net, autoencoder and text encoders below the paper's prefixes."""

    def recognises(self, path: Path) -> bool:
        """Whether it is a safetensors file."""
        return path.is_file() and path.suffix.lower() == SUFFIX

    def describe(self, path: Path, *, prediction: Prediction | None = None) -> Manifest:
        """See `CheckpointFormat`."""
        return _assemble(open_weights(path), path, prediction).manifest

    def load(self, path: Path, *, prediction: Prediction | None = None) -> Model:
        """See `CheckpointFormat`."""
        weights = open_weights(path)
        model = _assemble(weights, path, prediction)
        family = find_family(weights)
        check_complete(weights, family)
        fill_by_layout(model.unet, ldm_unet(model.unet.config), unet_weights(weights))
        fill_by_layout(model.autoencoder, ldm_autoencoder(model.autoencoder.config), autoencoder_weights(weights))
        for prefix, encoder in zip(family.text, encoders(model.conditioner), strict=True):
            fill_text(encoder, weights.under(prefix))
        return model


def save_single_file(model: Model, path: Path, *, dtype: torch.dtype | None = None) -> None:
    """Write a Stable Diffusion model as one file, in one step: a former file survives a failure.

    Args:
        dtype: of the stored weights; None keeps each tensor's own.

    Raises:
        CheckpointError: for a model of no such family.
        StorageError: when the disk is full or the file may not be written.
    """
    conditioner = model.conditioner
    if not isinstance(conditioner, ClipConditioner | ClipPairConditioner):
        raise CheckpointError(
            f"Single files hold Stable Diffusion models with CLIP's text encoders, but {model.manifest.name!r} has "
            f"{'none' if conditioner is None else 'a text encoder of its own'}: write it as a native or diffusers folder."
        )
    family = family_of(conditioner.config)
    tensors = {
        UNET + name: tensor for name, tensor in write_layout(ldm_unet(model.unet.config), model.unet.state_dict()).items()
    }
    stage = write_layout(ldm_autoencoder(model.autoencoder.config), model.autoencoder.state_dict())
    tensors |= {AUTOENCODER + name: tensor for name, tensor in stage.items()}
    for prefix, encoder in zip(family.text, encoders(conditioner), strict=True):
        layout = (diffusers_text if prefix.endswith("transformer.") else open_clip_text)(encoder.config)
        tensors |= {prefix + name: tensor for name, tensor in write_layout(layout, encoder.state_dict()).items()}
    metadata = {"format": "pt", PORTABLE_KEY: to_portable(described(model), {})}
    metadata |= vocabularies_to_carry(conditioner)
    with atomic_file(path) as temporary:
        save_tensors(temporary, tensors, dtype, metadata=metadata)


def unet_weights(weights: Weights) -> Weights:
    """The U-Net's weights of a file, averaged ones where it has both, without their prefix."""
    plain = weights.under(UNET)
    # averaged weights are stored with the dots taken out of their names
    names = {name: AVERAGED + f"diffusion_model.{name}".replace(".", "") for name in plain}
    return weights.renamed(names) if names and all(stored in weights for stored in names.values()) else plain


def autoencoder_weights(weights: Weights) -> Weights:
    """The autoencoder's weights of a file, without their prefix and what only training needed."""
    return weights.under(AUTOENCODER).without("loss.", "model_ema.")


def latent_space_of(config: AutoencoderConfig, scale: float) -> LatentSpace:
    """A latent space of one scale."""
    channels = config.latent_channels
    return LatentSpace(channels=channels, stride=config.stride, scale=(scale,) * channels, shift=(0.0,) * channels)


def check_complete(weights: Weights, family: Family) -> None:
    """See that every tensor of a file has its place or is known to have none.

    Raises:
        CheckpointError: the first few that do not are named.
    """
    placed = (UNET, AUTOENCODER, AVERAGED, *family.text)
    stray = sorted(name for name in weights if not name.startswith(placed) and not is_set_aside(name))
    if stray:
        more = f" and {len(stray) - 3} more" if len(stray) > 3 else ""
        raise CheckpointError(
            f"{weights.source} holds {', '.join(stray[:3])}{more}, which a {family.name} model has no place for."
        )


def _assemble(weights: Weights, path: Path, prediction: Prediction | None) -> Model:
    """The file's model without weights."""
    carried = weights.metadata.get(VOCABULARIES_KEY)
    vocabulary = own_clip_vocabulary if carried is None else carried_vocabulary(carried, source=weights.source)
    if PORTABLE_KEY in weights.metadata:
        manifest = from_portable(weights.metadata[PORTABLE_KEY], source=weights.source)
        return reassemble(
            manifest,
            lambda fields: make_clip(clip_config_from_json(fields, source=weights.source), vocabulary),
            prediction=prediction,
            source=weights.source,
        )
    family = find_family(weights)
    unet, stage = detect_unet(unet_weights(weights)), detect_autoencoder(autoencoder_weights(weights))
    settled = settle_prediction(family, weights, prediction, concat=unet.concat_channels > 0)
    side = family.image_side(settled)
    configurations = Configurations(
        name=path.stem,
        unet=unet,
        autoencoder=stage,
        latent_space=latent_space_of(stage, family.latent_scale),
        path=path_of(weights),
        prediction=settled,
        image_size=(side, side),
        defaults=family.defaults(is_told=unet.guidance_width is not None),
    )
    return assemble(configurations, make_clip(_text_config(weights, family), vocabulary), source=weights.source)


def _text_config(weights: Weights, family: Family) -> AnyClipConfig:
    graphs = [detect_text(weights.under(prefix)) for prefix in family.text]
    if family.pooled:
        first = replace(graphs[0], projection_width=None) if len(graphs) == 2 else None
        score = None if first is not None else REFINER_SCORE
        side = family.image_size
        return ClipPairConfig(
            first=first, second=graphs[-1], image_size=(side, side), aesthetic_score=score, zero_empty=first is not None
        )
    # the last layer of Stable Diffusion 2's encoder lies in its files, and is never read
    graph = replace(graphs[0], projection_width=None, depth=min(graphs[0].depth, VIT_H.depth))
    return ClipConfig(encoder=graph, padding=OPEN_CLIP_PADDING if graph.activation == "gelu" else END)


single_file = SingleFileFormat()
