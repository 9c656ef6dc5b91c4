"""The native folder: `model.json`, a file of weights for each part that has some, and a vocabulary."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pydantic
import torch
from torch import nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.assembly import described, reassemble
from ildm.checkpoint.layout import fill_by_layout, own_layout
from ildm.checkpoint.named import find_named
from ildm.checkpoint.predicted import agreed
from ildm.checkpoint.tensors import check_hash, save_tensors
from ildm.checkpoint.weights import open_weights
from ildm.conditioning.conditioner import Conditioner
from ildm.core import extensions
from ildm.core.config import from_json
from ildm.core.errors import CheckpointError
from ildm.core.files import atomic_folder, sha256
from ildm.core.manifest import FORMAT_VERSION, Manifest, SharedFirstStage
from ildm.diffusion.prediction import Prediction
from ildm.model import Model

MANIFEST = "model.json"
AUTOENCODER, DENOISER, CONDITIONER = "autoencoder.safetensors", "denoiser.safetensors", "conditioner.safetensors"
HINT = "hint.safetensors"
PREVIEW = "preview.safetensors"
"""What a folder may carry besides, as `ildm.session.previews.files` writes it: no part of the model, so the manifest does not list it."""


def save_native(model: Model, folder: Path, *, dtype: torch.dtype | None = None, shared: str | None = None) -> Manifest:
    """Write a model as a native folder, in one step: the former folder survives a failure.

    A preview in the former folder is kept when the autoencoder is the same to the byte, as in every export of a running training.

    Args:
        dtype: of the stored weights; None keeps each tensor's own.
        shared: name of a model with the same autoencoder, which is then not written; None = it is. A better decoder may come into its
            place later, another encoder may not.

    Returns:
        The manifest as written, file hashes included.

    Raises:
        StorageError: when the disk is full or the folder may not be written.
    """
    with atomic_folder(folder) as temporary:
        if shared is None:
            save_tensors(temporary / AUTOENCODER, model.autoencoder.state_dict(), dtype)
        save_tensors(temporary / DENOISER, model.unet.state_dict(), dtype)
        if model.conditioner is not None:
            save_tensors(temporary / CONDITIONER, model.conditioner.state_dict(), dtype)
            model.conditioner.write_files(temporary)
        if model.hint is not None and model.hint.state_dict():
            save_tensors(temporary / HINT, model.hint.state_dict(), dtype)
        files = {file.name: sha256(file) for file in sorted(temporary.iterdir())}
        first_stage = None if shared is None else SharedFirstStage(model=shared, fingerprint=_latents_of(model.autoencoder))
        manifest = described(model).model_copy(update={"files": files, "first_stage": first_stage})
        (temporary / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _keep_preview(folder, temporary)
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
    return native.load(folder)


class NativeFormat:
    """The native folder as a `CheckpointFormat`."""

    def recognises(self, path: Path) -> bool:
        """Whether the folder holds a manifest."""
        return (path / MANIFEST).is_file()

    def describe(self, path: Path, *, prediction: Prediction | None = None) -> Manifest:
        """See `CheckpointFormat`."""
        manifest = read_manifest(path)
        agreed(manifest.prediction, prediction, source=str(path / MANIFEST))
        return manifest

    def load(self, path: Path, *, prediction: Prediction | None = None) -> Model:
        """See `CheckpointFormat`."""
        manifest = read_manifest(path)

        def restore(fields: dict[str, Any]) -> Conditioner:
            return _conditioner(manifest, fields, path)

        lender = None if manifest.first_stage is None else _Lender.find(manifest.first_stage, path)
        if lender is not None:  # its decoder may have become deeper meanwhile
            manifest = manifest.model_copy(update={"autoencoder": lender.manifest.autoencoder})
        model = reassemble(manifest, restore, prediction=prediction, source=str(path / MANIFEST))
        if lender is None:
            _fill(model.autoencoder, path, manifest, AUTOENCODER)
        else:
            lender.fill(model.autoencoder, path)
        _fill(model.unet, path, manifest, DENOISER)
        if model.conditioner is not None:
            _fill(model.conditioner, path, manifest, CONDITIONER)
        if model.hint is not None and model.hint.state_dict():
            _fill(model.hint, path, manifest, HINT)
        return model


class _Lender(NamedTuple):
    """The model whose autoencoder another one shares."""

    shared: SharedFirstStage
    folder: Path
    manifest: Manifest

    @classmethod
    def find(cls, shared: SharedFirstStage, path: Path) -> _Lender:
        """Find it among the installed models.

        Raises:
            CheckpointError: when it is not here.
        """
        folder = find_named(shared.model)
        if folder is None or not (folder / AUTOENCODER).is_file():
            raise CheckpointError(
                f"{path} uses the autoencoder of {shared.model!r}, which is not here: install that model (ildm models get) first."
            )
        return cls(shared, folder, read_manifest(folder))

    def fill(self, autoencoder: Autoencoder, path: Path) -> None:
        """Give a model's autoencoder its weights.

        Raises:
            CheckpointError: when it has another encoder by now.
        """
        _fill(autoencoder, self.folder, self.manifest, AUTOENCODER)
        if _latents_of(autoencoder) != self.shared.fingerprint:
            raise CheckpointError(
                f"{path} was made for the latents of another autoencoder than the one {self.shared.model!r} has now: fetch the version "
                "that belongs to it."
            )


def _fill(module: nn.Module, folder: Path, manifest: Manifest, name: str) -> None:
    """Read the weights of a part."""
    if name not in manifest.files:
        raise CheckpointError(f"The manifest lists no SHA-256 for {name}, so it cannot be trusted: export the model again.")
    check_hash(folder / name, manifest.files[name])
    fill_by_layout(module, own_layout(module), open_weights(folder / name))


def _latents_of(autoencoder: Autoencoder) -> str:
    # the decoder may get better meanwhile: latents stay what they are
    return autoencoder.encoder_fingerprint(rounded_to=torch.float16)


def _conditioner(manifest: Manifest, fields: dict[str, Any], folder: Path) -> Conditioner:
    kind = extensions.load("ildm.conditioners", str(fields.pop("kind", None)))
    for name in manifest.files:
        path = folder / name
        if path.suffix != ".safetensors" and (not path.is_file() or sha256(path) != manifest.files[name]):
            raise CheckpointError(f"The vocabulary {path} is missing or damaged: fetch the model again.")
    return kind.restore(from_json(kind.Config, fields, where="conditioner"), folder)


def _keep_preview(former: Path, folder: Path) -> None:
    both_there = all((place / AUTOENCODER).is_file() for place in (former, folder)) and (former / PREVIEW).is_file()
    if both_there and sha256(former / AUTOENCODER) == sha256(folder / AUTOENCODER):
        shutil.copyfile(former / PREVIEW, folder / PREVIEW)


native = NativeFormat()
