"""The native folder: `model.json`, `autoencoder.safetensors`, `denoiser.safetensors`, `conditioner.safetensors`, vocabulary."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pydantic
import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.tensors import fill, load_tensors, save_tensors
from ildm.conditioning.conditioner import Conditioner
from ildm.core import extensions
from ildm.core.config import from_json, to_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import atomic_folder, sha256
from ildm.core.manifest import FORMAT_VERSION, LatentSpaceFields, Manifest
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.unet import UNet
from ildm.diffusion.path import AnyPath, LinearInterpolation, VariancePreserving
from ildm.model import Model

MANIFEST = "model.json"
AUTOENCODER, DENOISER, CONDITIONER = "autoencoder.safetensors", "denoiser.safetensors", "conditioner.safetensors"
_PATHS: dict[str, type[Any]] = {kind.kind: kind for kind in (VariancePreserving, LinearInterpolation)}


def save_native(model: Model, folder: Path, *, dtype: torch.dtype | None = None) -> Manifest:
    """Write a model as a native folder, in one step: the former folder survives a failure.

    Args:
        dtype: of the stored weights; None keeps each tensor's own.

    Returns:
        The manifest as written, file hashes included.

    Raises:
        StorageError: when the disk is full or the folder may not be written.
    """
    with atomic_folder(folder) as temporary:
        save_tensors(temporary / AUTOENCODER, model.autoencoder.state_dict(), dtype)
        save_tensors(temporary / DENOISER, model.unet.state_dict(), dtype)
        if model.conditioner is not None:
            save_tensors(temporary / CONDITIONER, model.conditioner.state_dict(), dtype)
            model.conditioner.write_files(temporary)
        files = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
        manifest = _described(model).model_copy(update={"files": files})
        (temporary / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a native folder.

    Raises:
        CheckpointError: when it is missing, damaged, or of a newer format.
    """
    path = folder / MANIFEST
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise CheckpointError(f"{folder} holds no {MANIFEST}, so it is not a model folder of this program.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch or export the model again.") from error
    if isinstance(fields, dict) and fields.get("version", 0) > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} is of format version {fields['version']}, but this program knows up to {FORMAT_VERSION}: upgrade ildm."
        )
    try:
        return Manifest.model_validate(fields)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its content"
        raise CheckpointError(f"{path} is not a valid manifest: {where}: {first['msg']}.") from error


def load_native(folder: Path) -> Model:
    """Read a native folder: every file is checked against its SHA-256, every weight for being a number.

    Raises:
        CheckpointError: when anything is missing, damaged, or does not fit together.
    """
    manifest = read_manifest(folder)
    try:
        autoencoder = Autoencoder(
            from_json(AutoencoderConfig, manifest.autoencoder, where="autoencoder"),
            LatentSpace(**manifest.latent_space.model_dump()),
        )
        unet = UNet(from_json(UNetConfig, manifest.denoiser, where="denoiser"))
        conditioner = _conditioner(manifest, folder)
        path = path_from_json(manifest.path)
    except ConfigError as error:
        raise CheckpointError(f"{folder / MANIFEST} describes a model that cannot be built: {error}") from error
    for module, name in ((autoencoder, AUTOENCODER), (unet, DENOISER), (conditioner, CONDITIONER)):
        if module is not None:
            fill(module, load_tensors(folder / name, expected_sha256=_hash_of(manifest, name)), source=str(folder / name))
            module.requires_grad_(False).eval()
    return Model(manifest, autoencoder, unet, conditioner, path)


class NativeFormat:
    """The native folder as a `CheckpointFormat`."""

    def recognises(self, path: Path) -> bool:
        """Whether the folder holds a manifest."""
        return (path / MANIFEST).is_file()

    def load(self, path: Path) -> Model:
        """See `load_native`."""
        return load_native(path)


def conditioner_to_json(conditioner: Conditioner) -> dict[str, Any]:
    """A conditioner's configuration as JSON, its kind included."""
    return {"kind": conditioner.kind, **to_json(conditioner.config)}


def path_from_json(fields: dict[str, Any]) -> AnyPath:
    """The path of a manifest.

    Raises:
        ConfigError: for an unknown kind or key.
    """
    kind = fields.get("kind")
    if kind not in _PATHS:
        raise ConfigError(f"Unknown path {kind!r}: known are {', '.join(_PATHS)}.")
    return from_json(_PATHS[kind], fields, where="path")


def _described(model: Model) -> Manifest:
    space = LatentSpaceFields(**asdict(model.autoencoder.latent_space))
    return model.manifest.model_copy(
        update={
            "latent_space": space,
            "autoencoder": to_json(model.autoencoder.config),
            "denoiser": to_json(model.unet.config),
            "conditioner": None if model.conditioner is None else conditioner_to_json(model.conditioner),
            "path": to_json(model.path),
        }
    )


def _conditioner(manifest: Manifest, folder: Path) -> Conditioner | None:
    if manifest.conditioner is None:
        return None
    fields = dict(manifest.conditioner)
    kind = extensions.load("ildm.conditioners", str(fields.pop("kind", None)))
    for name in manifest.files:
        path = folder / name
        if path.suffix != ".safetensors" and (not path.is_file() or sha256(path) != manifest.files[name]):
            raise CheckpointError(f"The vocabulary {path} is missing or damaged: fetch the model again.")
    return kind.restore(from_json(kind.Config, fields, where="conditioner"), folder)


def _hash_of(manifest: Manifest, name: str) -> str:
    if name not in manifest.files:
        raise CheckpointError(f"The manifest lists no SHA-256 for {name}, so it cannot be trusted: export the model again.")
    return manifest.files[name]


native = NativeFormat()
