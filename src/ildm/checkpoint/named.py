"""Models known by name: the shipped ones, those in the person's model folder, and those that runs on this machine have made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ildm.core.files import home

DEFAULT_MODEL = "emoji-scenes"
_SHIPPED = Path(__file__).resolve().parent.parent / "shipped"
_FOLDERS = ("model.json", "model_index.json")
"""What lies in a model folder: a manifest of ours, or a diffusers index."""


def model_folder() -> Path:
    """Where a person puts models that other programs made: `.safetensors` files and diffusers folders. Nothing is made here."""
    return home() / "models"


def find_named(name: str) -> Path | None:
    """The folder or file of a model by its name, a file's without its ending; a shipped one goes first, then the model folder's."""
    if not name or Path(name).name != name:
        return None
    return next((path for known, path in _known() if known == name), None)


def known_names() -> list[str]:
    """Every name `find_named` answers to, sorted."""
    return sorted({name for name, _ in _known()})


def _known() -> Iterator[tuple[str, Path]]:
    """Names and places, in the order of precedence."""
    for file in _SHIPPED.glob("*/model.json"):
        yield file.parent.name, file.parent
    for index in _FOLDERS:
        for file in model_folder().glob(f"*/{index}"):
            yield file.parent.name, file.parent
    for file in model_folder().glob("*.safetensors"):
        yield file.stem, file
    for file in (home() / "runs").glob("*/model/model.json"):
        yield file.parent.parent.name, file.parent
