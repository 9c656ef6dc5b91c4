"""Tensors in and out of safetensors files, with every damage told in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from ildm.core.errors import CheckpointError, nearest
from ildm.core.files import sha256

PICKLE_STARTS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04")


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None, *, metadata: dict[str, str] | None = None
) -> None:
    """Write tensors; floating ones change to `dtype` when one is given. `metadata` goes into the file's header."""
    ready = {
        name: tensor.detach().to("cpu", dtype if dtype is not None and tensor.is_floating_point() else None).contiguous()
        for name, tensor in tensors.items()
    }
    safetensors.torch.save_file(ready, path, metadata)


def load_tensors(path: Path, *, expected_sha256: str | None = None) -> dict[str, Tensor]:
    """Read tensors, checked against a SHA-256 when one is given: the format itself does not notice a flipped bit.

    Raises:
        CheckpointError: when the file is missing, pickled, truncated or altered.
    """
    if not path.is_file():
        raise CheckpointError(f"The weights file {path} is missing: fetch or export the model again.")
    refuse_pickle(path)
    if expected_sha256 is not None:
        check_hash(path, expected_sha256)
    try:
        return {name: widened(tensor) for name, tensor in safetensors.torch.load_file(path).items()}
    except (safetensors.SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is truncated or not a safetensors file ({error}): fetch the model again.") from error


def check_hash(path: Path, expected: str) -> None:
    """Compare a file with the SHA-256 that a manifest lists.

    Raises:
        CheckpointError: when it is missing or another.
    """
    if not path.is_file():
        raise CheckpointError(f"The weights file {path} is missing: fetch or export the model again.")
    refuse_pickle(path)
    if sha256(path) != expected:
        raise CheckpointError(
            f"The weights in {path} are not the ones the manifest was written for (SHA-256 differs): "
            "the file is damaged or was replaced; fetch the model again."
        )


def fill(module: nn.Module, tensors: Mapping[str, Tensor], *, source: str) -> None:
    """Copy tensors into a module's parameters and buffers, all of them and nothing else.

    Raises:
        CheckpointError: for missing or unknown names, other shapes, or values that are not finite.
    """
    wanted = module.state_dict()
    for name in tensors:
        if name not in wanted:
            raise CheckpointError(f"{source} holds {name!r}, which this model has no place for: {nearest(name, wanted)}")
    for name, place in wanted.items():
        if name not in tensors:
            raise CheckpointError(f"{source} lacks {name!r}: it was made for another model.")
        if tensors[name].shape != place.shape:
            raise CheckpointError(
                f"{source} holds {name!r} of shape {tuple(tensors[name].shape)}, but this model needs {tuple(place.shape)}."
            )
        check_numbers(tensors[name], name, source)
    module.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()})


def check_numbers(tensor: Tensor, name: str, source: str) -> None:
    """See that every value is finite, without a copy: a sum is a number only when all its terms are.

    Raises:
        CheckpointError: when one is not.
    """
    if not tensor.is_floating_point() or math.isfinite(float(tensor.sum())):
        return
    # the sum of many float16 numbers may be beyond that format; asking for another is twenty times slower
    if not math.isfinite(float(tensor.sum(dtype=torch.float64))):
        raise CheckpointError(
            f"{source} holds {name!r} with values that are not numbers (NaN or infinite): "
            "a training went wrong; use an earlier checkpoint."
        )


def widened(tensor: Tensor) -> Tensor:
    """A tensor of one-byte floating-point numbers in float32, which holds them to the bit; nothing can be computed in their own format."""
    return tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor


def refuse_pickle(path: Path) -> None:
    """Look at the first bytes only.

    Raises:
        CheckpointError: when the file is a pickle.
    """
    with path.open("rb") as file:
        start = file.read(9)
    # the length of a safetensors header, which comes first, can look like a pickle; the header itself begins with a brace
    if start.startswith(PICKLE_STARTS) and start[8:] != b"{":
        raise CheckpointError(
            f"{path} is a pickled checkpoint, which can run any code when opened, so it is refused: "
            "convert it to .safetensors with a tool you trust."
        )
