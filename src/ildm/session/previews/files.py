"""Fitted previews on disk: written once for an autoencoder, found again for every model that has the same one.

preview.safetensors                      in a native folder
home()/previews/<maker>.safetensors      for models in other formats, and for shipped ones

The header says the kind, its configuration, whose latents it was made for, and the SHA-256 of its numbers.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ildm.checkpoint.load import locate
from ildm.checkpoint.named import find_named
from ildm.checkpoint.native import MANIFEST, PREVIEW
from ildm.checkpoint.tensors import fill, save_tensors
from ildm.checkpoint.weights import open_weights
from ildm.core.config import from_json, to_json
from ildm.core.errors import CheckpointError, ConfigError, nearest
from ildm.core.files import atomic_file, home
from ildm.core.types import Image
from ildm.model import Model
from ildm.session.preview import FittedPreview, LinearPreview, fit_linear
from ildm.session.previews.tiny_decoder import TinyDecoder

FORMAT = "ildm-preview-1"
KINDS: dict[str, type[FittedPreview]] = {kind.kind: kind for kind in (TinyDecoder, LinearPreview)}
"""By name, the better ones first."""

_FALLBACK_CELLS, _FALLBACK_IMAGES = 8, 2  # a side, and of each kind: large first stages take seconds on a CPU even so

_logger = logging.getLogger(__name__)


def find_preview(model: Model, source: str | Path | None = None) -> FittedPreview:
    """The best preview there is for a model, on its device: a tiny decoder, else a fitted linear one, else `fallback_preview`.

    Files that are damaged or belong to another autoencoder are passed over, with a warning in the log.

    Args:
        source: what the model was loaded from, so that its own folder is looked into; None = found by the model's name.
    """
    found: list[FittedPreview] = []
    for path in _places(model, source):
        try:
            found.append(read_preview(path, model))
        except CheckpointError as error:
            _logger.warning("A preview is passed over: %s", error)
    ranks = list(KINDS)
    best = min(found, key=lambda preview: ranks.index(preview.kind), default=None)
    return (best or fallback_preview(model)).to(model.device)


@torch.no_grad()
def fallback_preview(model: Model) -> LinearPreview:
    """A linear preview fitted at once, to what the model's own first stage makes of a few coarse colour fields."""
    side = _FALLBACK_CELLS * model.autoencoder.config.stride
    latents = model.encode(_colour_fields(side).to(model.device))
    return fit_linear(latents, model.decode(latents))[0]


def place_for(model: Model, source: str | Path) -> Path:
    """Where the preview of a model belongs: into its folder, or by its autoencoder's mark into the user's.

    A shipped model's folder is the package's, so its *name* leads to the user's; its path, given as such, is taken at its word.

    Args:
        source: what the model was loaded from: a name, a folder or a file.

    Raises:
        CheckpointError: when nothing is there.
    """
    named = find_named(str(source))
    path = locate(source)
    if (path / MANIFEST).is_file() and (named is None or path.is_relative_to(home())):
        return path / PREVIEW
    return _own_place(model)


def write_preview(preview: FittedPreview, model: Model, path: Path) -> None:
    """Write a preview, in one step.

    Raises:
        StorageError: when the disk is full or the place may not be written.
    """
    tensors = preview.state_dict()
    about = {
        "format": FORMAT,
        "kind": preview.kind,
        "config": json.dumps(to_json(preview.config)),
        "autoencoder": mark_of(model),
        "sha256": _digest(tensors),
    }
    with atomic_file(path) as temporary:
        save_tensors(temporary, tensors, metadata=about)


def read_preview(path: Path, model: Model) -> FittedPreview:
    """Read a preview, on the CPU.

    Raises:
        CheckpointError: when it is missing, damaged, no preview, or made for another autoencoder than the model's.
    """
    weights = open_weights(path)
    about = weights.metadata
    if about.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no preview of this program: make one with `ildm models fit-preview`.")
    if about.get("autoencoder") != mark_of(model):
        raise CheckpointError(
            f"The preview {path} was made for another autoencoder than that of {model.manifest.name!r}, so its colours would be wrong: "
            "make one with `ildm models fit-preview`."
        )
    preview = _blank(about, path)
    tensors = dict(weights)
    fill(preview, tensors, source=str(path))
    if about.get("sha256") != _digest(tensors):
        raise CheckpointError(f"{path} is damaged (SHA-256 differs): make it anew with `ildm models fit-preview`.")
    return preview.requires_grad_(False).eval()


def mark_of(model: Model) -> str:
    """Tells autoencoders apart, whatever number format they are loaded in: their fingerprint in bfloat16, the coarsest of all."""
    return model.autoencoder.fingerprint(rounded_to=torch.bfloat16)


def _blank(about: Mapping[str, str], path: Path) -> FittedPreview:
    """A preview of the kind and shape that a header describes, yet to be filled."""
    kind = KINDS.get(about.get("kind", ""))
    if kind is None:
        raise CheckpointError(
            f"{path} is a preview of the kind {about.get('kind')!r}: {nearest(str(about.get('kind')), KINDS)}"
        )
    try:
        fields = json.loads(about.get("config", ""))
        if not isinstance(fields, dict):
            raise ConfigError("config takes a group of keys.")
        return kind(from_json(kind.Config, fields, where="config"))
    except (ValueError, ConfigError) as error:
        raise CheckpointError(f"{path} describes a preview that cannot be built: {error}") from error


def _places(model: Model, source: str | Path | None) -> Iterator[Path]:
    """The files that may hold a model's preview and are there; the user's own first, that of a borrowed first stage last."""
    folder = find_named(model.manifest.name) if source is None else locate(source)
    shared = model.manifest.first_stage
    lender = None if shared is None else find_named(shared.model)
    for path in (_own_place(model), *(one / PREVIEW for one in (folder, lender) if one is not None)):
        if path.is_file():
            yield path


def _own_place(model: Model) -> Path:
    return home() / "previews" / f"{mark_of(model)}.safetensors"


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _colour_fields(side: int) -> Image:
    """A few pictures in [-1, 1] that show all colours, in patches and in gradients of several sizes; the same every time."""
    random = torch.Generator().manual_seed(0)
    grids = [torch.rand(_FALLBACK_IMAGES, 3, cells, cells, generator=random) * 2 - 1 for cells in (1, 2, 4, 8)]
    patches = [F.interpolate(grid, size=(side, side), mode="nearest") for grid in grids]
    return torch.cat([*patches, *(F.interpolate(grid, size=(side, side), mode="bilinear") for grid in grids[1:])])
