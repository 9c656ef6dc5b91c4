"""Where and with what figures were measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

import torch

from ildm.core.device import describe

_PACKAGES = ("ildm", "torch", "numpy")


def machine(device: torch.device) -> dict[str, str]:
    """The device and the system."""
    return {"device": describe(device), "system": f"{platform.system()} {platform.machine()}"}


def versions(*further: str) -> dict[str, str]:
    """Of Python and of the packages that figures depend on.

    Args:
        further: packages beside those that all figures depend on.
    """
    return {"python": platform.python_version()} | {name: _version(name) for name in (*_PACKAGES, *further)}


def say_circumstances(machine: Mapping[str, str], versions: Mapping[str, str]) -> str:
    """Both in a line of a report."""
    return f"{machine['device']}, {machine['system']}; " + ", ".join(f"{name} {version}" for name, version in versions.items())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
