"""An autoencoder on its own, between the two stages of a training: one folder, one manifest, one weights file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.checkpoint.tensors import fill, load_tensors, save_tensors
from ildm.core.config import from_json, to_json
from ildm.core.errors import CheckpointError, ConfigError
from ildm.core.files import atomic_folder, sha256

_FIELDS, _WEIGHTS = "autoencoder.json", "autoencoder.safetensors"


def save_autoencoder(autoencoder: Autoencoder, folder: Path) -> None:
    """Write a folder in one step.

    Raises:
        StorageError: when the disk is full; the former folder survives.
    """
    with atomic_folder(folder) as temporary:
        save_tensors(temporary / _WEIGHTS, autoencoder.state_dict())
        fields = {
            "config": to_json(autoencoder.config),
            "latent_space": asdict(autoencoder.latent_space),
            "sha256": sha256(temporary / _WEIGHTS),
        }
        (temporary / _FIELDS).write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def load_autoencoder(folder: Path) -> Autoencoder:
    """Read a folder that `save_autoencoder` wrote.

    Raises:
        CheckpointError: when it is missing or damaged.
    """
    try:
        fields = json.loads((folder / _FIELDS).read_text(encoding="utf-8"))
        config = from_json(AutoencoderConfig, fields["config"], where="autoencoder")
        space = from_json(LatentSpace, fields["latent_space"], where="latent_space")
        expected = fields["sha256"]
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise CheckpointError(f"{folder / _FIELDS} cannot be read ({error}): train stage one again.") from error
    autoencoder = Autoencoder(config, space)
    fill(autoencoder, load_tensors(folder / _WEIGHTS, expected_sha256=expected), source=str(folder / _WEIGHTS))
    return autoencoder.requires_grad_(False).eval()
