"""Which device and number format to compute in."""

from __future__ import annotations

from functools import cache
from typing import Literal

import torch

from ildm.core.arguments import check_arguments
from ildm.core.errors import ConfigError, nearest

DType = Literal["float32", "bfloat16", "float16"]
DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(name: str | None = None) -> torch.device:
    """The device called `name`; None takes the first GPU, else the CPU.

    Raises:
        ConfigError: when torch does not know the device or it is not there.
    """
    check_arguments(device=name)
    if name is None:
        return (torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # some kinds of device can be named, but hold nothing
    except (RuntimeError, AssertionError) as error:
        there = f"take {' or '.join(available())}"
        if name.partition(":")[0] == "cuda" and "not compiled" in str(error):
            there += ", or install a torch with CUDA (docs/install.md)"
        raise ConfigError(f"There is no device {name!r} here: {there}.") from error
    return device


def available() -> list[str]:
    """The names of the devices of this machine that this torch can use, the fastest kind last."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return ["cpu"] if found is None else ["cpu", found.type]


def pick_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """The number format called `name`; None takes the measured default of the device.

    That is bfloat16 wherever the hardware computes in it, CPUs with AVX-512 BF16 or AMX among them, else float32.

    Raises:
        ConfigError: for any other name.
    """
    check_arguments(dtype=name)
    if name is None:
        return torch.float32 if device.type == "cpu" and not cpu_computes_in_bfloat16() else torch.bfloat16
    if name not in DTYPES:
        raise ConfigError(f"Unknown dtype {name!r}: {nearest(name, DTYPES)}")
    return DTYPES[name]


@cache
def cpu_computes_in_bfloat16() -> bool:
    """Whether this machine's CPU has instructions for products in bfloat16."""
    # torch has no public name for these yet; where it lacks one, the feature counts as absent
    tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in tests)


def describe(device: torch.device) -> str:
    """The device in words, for records: a GPU's name, or the CPU with its thread count."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads"
