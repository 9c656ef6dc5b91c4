"""Configurations become a model on the meta device, which every format then fills with its own weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.predicted import agreed
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.hint import Hint
from ildm.core import extensions
from ildm.core.config import from_json, to_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.manifest import Defaults, LatentSpaceFields, Manifest
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import AnyPath, LinearInterpolation, VariancePreserving
from ildm.diffusion.prediction import Prediction
from ildm.model import Model

_PATHS: dict[str, type[Any]] = {kind.kind: kind for kind in (VariancePreserving, LinearInterpolation)}


@dataclass(frozen=True, kw_only=True)
class Configurations:
    """Everything about a model of another program's making but its weights and its text side.

    Args:
        name: of the model.
        image_size: the native (width, height), pixels.
    """

    name: str
    unet: UNetConfig
    autoencoder: AutoencoderConfig
    latent_space: LatentSpace
    path: AnyPath
    prediction: Prediction
    image_size: tuple[int, int]
    defaults: Defaults


# what the channels beside the latent are for, by how many they are beside a latent of four
_BESIDE_LATENT = {
    1: "a depth map",
    3: "a small picture, as the x4 upscaler does,",
    4: "a picture to edit, as InstructPix2Pix does,",
}


def assemble(configurations: Configurations, conditioner: Conditioner | None, *, source: str | None = None) -> Model:
    """A model without weights, with a manifest written for it.

    Args:
        source: how to call its files in a sentence; None = by its name.

    Raises:
        CheckpointError: when its U-Net reads something that nothing here supplies.
    """
    _check_supplied(configurations.unet, conditioner, source or configurations.name)
    with torch.device("meta"):
        unet = UNet(configurations.unet)
        autoencoder = Autoencoder(configurations.autoencoder, configurations.latent_space)
    manifest = Manifest(
        name=configurations.name,
        image_size=configurations.image_size,
        prediction=configurations.prediction,
        defaults=configurations.defaults,
        **graphs_to_json(unet, autoencoder, conditioner, configurations.path),
    )
    return Model(manifest, autoencoder, unet, conditioner, configurations.path)


def reassemble(
    manifest: Manifest, make_conditioner: Callable[[dict[str, Any]], Conditioner], *, prediction: Prediction | None, source: str
) -> Model:
    """The model that a manifest describes, without weights.

    Args:
        make_conditioner: from its configuration as JSON.
        prediction: as a person says; None = as the manifest does.
        source: how to call the manifest in a sentence.

    Raises:
        CheckpointError: when it describes something that cannot be built.
        ConfigError: when a person says another prediction than it does.
    """
    try:
        with torch.device("meta"):
            unet = UNet(from_json(UNetConfig, manifest.denoiser, where="denoiser"))
            stage = from_json(AutoencoderConfig, manifest.autoencoder, where="autoencoder")
            autoencoder = Autoencoder(stage, LatentSpace(**manifest.latent_space.model_dump()))
        conditioner = None if manifest.conditioner is None else make_conditioner(dict(manifest.conditioner))
        hint = None if manifest.hint is None else hint_from_json(dict(manifest.hint))
        path = path_from_json(manifest.path)
    except ConfigError as error:
        raise CheckpointError(f"{source} describes a model that cannot be built: {error}") from error
    agreed(manifest.prediction, prediction, source=source)
    return Model(manifest, autoencoder, unet, conditioner, path, hint=hint)


def _check_supplied(unet: UNetConfig, conditioner: Conditioner | None, source: str) -> None:
    beside, width = unet.concat_channels, None if conditioner is None else getattr(conditioner.config, "context_width", None)
    pooled = None if conditioner is None else getattr(conditioner.config, "pooled_width", None)
    what: str | None = None
    if beside not in (0, 1 + unet.in_channels):
        what = f"{_BESIDE_LATENT.get(beside, f'something of {beside} channels that is not known')} beside the latent"
    elif unet.labels is not None and width is not None:
        what = "a class beside the prompt"
    elif unet.pooled_width is not None and pooled is None:
        what = "a pooled vector, of a picture say, as unCLIP does"
    elif unet.context_width is not None and width is None:
        what = "a context, but no text encoder lies beside it"
    if what is not None:
        raise CheckpointError(f"The U-Net in {source} reads {what}: models of that kind are not drawn with here.")
    for name, wanted, given in (("context", unet.context_width, width), ("a pooled vector", unet.pooled_width, pooled)):
        if wanted is not None and given is not None and wanted != given:
            raise CheckpointError(
                f"The U-Net in {source} reads {name} of width {wanted}, but its text encoder gives {given}: they are of different models."
            )


def described(model: Model) -> Manifest:
    """The manifest of a model as its parts are now."""
    return model.manifest.model_copy(
        update=graphs_to_json(model.unet, model.autoencoder, model.conditioner, model.path, model.hint) | {"files": {}}
    )


def graphs_to_json(
    unet: UNet, autoencoder: Autoencoder, conditioner: Conditioner | None, path: AnyPath, hint: Hint | None = None
) -> dict[str, Any]:
    """The fields of a manifest that describe what the weights belong to."""
    return {
        "latent_space": LatentSpaceFields(**asdict(autoencoder.latent_space)),
        "autoencoder": to_json(autoencoder.config),
        "denoiser": to_json(unet.config),
        "conditioner": None if conditioner is None else conditioner_to_json(conditioner),
        "hint": None if hint is None else to_json(hint.config),
        "path": to_json(path),
    }


def conditioner_to_json(conditioner: Conditioner) -> dict[str, Any]:
    """A conditioner's configuration as JSON, its kind included."""
    return {"kind": conditioner.kind, **to_json(conditioner.config)}


def hint_from_json(fields: dict[str, Any]) -> Hint:
    """The hint of a manifest, without weights.

    Raises:
        ConfigError: for an unknown kind or key.
    """
    kind: type[Hint] = extensions.load("ildm.hints", str(fields.pop("kind", None)))
    with torch.device("meta"):
        return kind(from_json(kind.Config, fields, where="hint"))


def path_from_json(fields: dict[str, Any]) -> AnyPath:
    """The path of a manifest.

    Raises:
        ConfigError: for an unknown kind or key.
    """
    kind = fields.get("kind")
    if kind not in _PATHS:
        raise ConfigError(f"Unknown path {kind!r}: known are {', '.join(_PATHS)}.")
    return from_json(_PATHS[kind], fields, where="path")
