"""`ildm convert`: a model from one format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch

from ildm.checkpoint.diffusers import save_diffusers
from ildm.checkpoint.load import find_format, locate
from ildm.checkpoint.native import save_native
from ildm.checkpoint.replacing import check_room
from ildm.checkpoint.single_file import SUFFIX, save_single_file
from ildm.core.device import DTYPES, DType
from ildm.core.errors import ConfigError
from ildm.diffusion.prediction import Prediction

TargetFormat = Literal["native", "diffusers", "single-file"]


def convert(
    source: str | Path,
    target: Path,
    target_format: TargetFormat,
    *,
    dtype: DType | None = None,
    prediction: Prediction | None = None,
    replace: bool = False,
) -> list[str]:
    """Write a model anew.

    Args:
        source: as for `ildm.load`.
        target: a folder, or a `.safetensors` file for "single-file".
        dtype: of the stored weights; None = as they are.
        replace: put it in the place of another model.

    Returns:
        A sentence for each thing that the format has no counterpart of, and that is therefore left out.

    Raises:
        CheckpointError: when the model cannot be read, or not be written in this format.
        ConfigError: for a target of another kind, one that is the source, or one where something stands that may not be replaced.
        StorageError: when the target may not be written or the disk is full.
    """
    path = locate(source)
    if target.exists() and target.resolve() == path.resolve():
        raise ConfigError(f"{target} is the model itself: give another place to write to.")
    if (target_format == "single-file") != (target.suffix.lower() == SUFFIX):
        wanted = f"a file that ends in {SUFFIX}" if target_format == "single-file" else "a folder"
        raise ConfigError(f"The format {target_format!r} is {wanted}, but {target} was given.")
    check_room(target, replace=replace)
    stored: torch.dtype | None = None if dtype is None else DTYPES[dtype]
    model = find_format(path).load(path, prediction=prediction)
    if target_format == "diffusers":
        return save_diffusers(model, target, dtype=stored)
    if target_format == "native":
        save_native(model, target, dtype=stored)
    else:
        save_single_file(model, target, dtype=stored)
    return []
