"""Weights in files that are small enough to be carried."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.latent_space import LatentSpace
from ildm.core.config import from_json, to_json
from ildm.training.recipe import Recipe

_LARGEST = 15 * 2**20  # bytes


def write_autoencoder(folder: Path, autoencoder: Autoencoder) -> None:
    """Weights in single precision and, beside them, the graph and the latent space."""
    write_parts(folder, "autoencoder", autoencoder, torch.float32)
    fields = {"config": to_json(autoencoder.config), "latent_space": asdict(autoencoder.latent_space)}
    (folder / "autoencoder.json").write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")


def write_parts(folder: Path, name: str, module: nn.Module, dtype: torch.dtype = torch.float16) -> None:
    """`name-0.safetensors` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, Tensor]] = [{}]
    size = 0
    for key, value in module.state_dict().items():
        kept = value.detach().to("cpu", dtype).contiguous()
        if size + kept.nbytes > _LARGEST:
            parts.append({})
            size = 0
        parts[-1][key] = kept
        size += kept.nbytes
    for number, part in enumerate(parts):
        save_file(part, folder / f"{name}-{number}.safetensors")


def read_parts(folder: Path, name: str) -> dict[str, Tensor]:
    """What `write_parts` wrote, in single precision."""
    found = sorted(folder.glob(f"{name}-*.safetensors"))
    return {key: value.float() for part in found for key, value in load_file(part).items()}


def write_recipe(folder: Path, name: str, recipe: Recipe) -> None:
    """What a model is trained by."""
    (folder / f"{name}-recipe.json").write_text(json.dumps(to_json(recipe), indent=1) + "\n", encoding="utf-8")


def read_recipe(folder: Path, name: str) -> Recipe:
    """What `write_recipe` wrote."""
    fields = json.loads((folder / f"{name}-recipe.json").read_text(encoding="utf-8"))
    return from_json(Recipe, fields, where="recipe")


def read_autoencoder(folder: Path) -> Autoencoder:
    """What `write_autoencoder` wrote."""
    fields = json.loads((folder / "autoencoder.json").read_text(encoding="utf-8"))
    config = from_json(AutoencoderConfig, fields["config"], where="autoencoder")
    autoencoder = Autoencoder(config, from_json(LatentSpace, fields["latent_space"], where="latent_space"))
    autoencoder.load_state_dict(read_parts(folder, "autoencoder"))
    return autoencoder.requires_grad_(False).eval()
