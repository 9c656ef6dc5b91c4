"""Where and with what a study was run."""

from __future__ import annotations

import platform
from importlib import metadata

import torch

from ildm.core.device import describe

_PACKAGES = ("ildm", "torch", "numpy")


def machine(device: torch.device) -> dict[str, str]:
    """The device and the system."""
    return {"device": describe(device), "system": f"{platform.system()} {platform.machine()}"}


def versions() -> dict[str, str]:
    """Of Python and of the packages that figures depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES}
