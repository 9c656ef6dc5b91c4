"""The parts of a diffusers folder: each a folder of its own, with a configuration and weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ildm.checkpoint.tensors import save_tensors
from ildm.checkpoint.weights import Weights, open_sharded, open_weights
from ildm.core.errors import CheckpointError

# of diffusers' networks and of transformers'; the half-precision variant serves when it is the only one
_STEMS = ("diffusion_pytorch_model", "model")
_VARIANTS = ("", ".fp16")


def read_config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    """A part's configuration.

    Raises:
        CheckpointError: when it is missing or no JSON object.
    """
    path = folder / name
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path} is missing: the model is incomplete; fetch it again.") from error
    except ValueError as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch the model again.") from error
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path} holds no JSON object: fetch the model again.")
    return fields


def find_weights(folder: Path) -> Weights:
    """A part's weights, in one file or in shards.

    Raises:
        CheckpointError: when there are none, or only pickled ones.
    """
    for stem in _STEMS:
        for variant in _VARIANTS:
            single = folder / f"{stem}{variant}.safetensors"
            if single.is_file():
                return open_weights(single)
            for index in (f"{stem}.safetensors.index{variant}.json", f"{stem}{variant}.safetensors.index.json"):
                if (folder / index).is_file():
                    return open_sharded(folder / index)
    if pickled := sorted(folder.glob("*.bin")):
        raise CheckpointError(
            f"{folder} holds its weights only as {pickled[0].name}, which is pickled and can run any code when opened, so it is "
            "refused: fetch the .safetensors variant of this model, or convert it with a tool you trust."
        )
    raise CheckpointError(f"{folder} holds no .safetensors weights: fetch the model again.")


def write_part(
    folder: Path, fields: Mapping[str, Any], tensors: Mapping[str, Tensor], stem: str, dtype: torch.dtype | None
) -> None:
    """Write a part's configuration and weights into a new folder.

    Args:
        stem: of the weights file's name.
        dtype: of the stored weights; None keeps each tensor's own.
    """
    folder.mkdir()
    write_config(folder, fields)
    save_tensors(folder / f"{stem}.safetensors", tensors, dtype, metadata={"format": "pt"})


def write_config(folder: Path, fields: Mapping[str, Any], name: str = "config.json") -> None:
    """Write a part's configuration."""
    (folder / name).write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
