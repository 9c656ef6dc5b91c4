"""A run's folder belongs to one configuration, so that the same command goes on with it and another one is told."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, StorageError
from ildm.core.files import storage_sentence, write_json
from ildm.core.locks import lock
from ildm.data.sample import ImageDataset
from ildm.model import Model
from ildm.training.recipe import Recipe

RECIPE = "recipe.json"
"""What a run was begun with, in its folder."""
BEGUN = "begun.json"
"""What it learns from, and the model whose weights it began with."""
LOCK = ".lock"
PATIENCE = 10.0
"""Seconds that are given to what reads ahead for a training that was killed: it looks every five whether that is still there."""
_FREE_TO_CHANGE = ("loop.steps", "log_every", "save_every", "sample_every", "workers", "summary", "prompts")


def claim(folder: Path, recipe: Recipe, dataset: ImageDataset, initial: Model | None) -> None:
    """Write beside the run what it is begun with, or see that the run there was begun with that.

    Args:
        dataset: what it learns from.
        initial: the model whose weights it begins with.

    Raises:
        ConfigError: when it was begun with something else, or it cannot be told with what.
    """
    _claim_recipe(folder, recipe)
    path = folder / BEGUN
    begun = {
        "data": dataset.fingerprint,
        "initial": None if initial is None else {"name": initial.manifest.name, "hash": initial.hash},
    }
    # runs from before there was such a file go on with what is given now
    former = _read(path) if path.exists() else begun
    if former.get("data") != begun["data"]:
        raise ConfigError(f"The data of the run in {folder} have changed since it was begun: choose another --name.")
    if former.get("initial") != begun["initial"]:
        raise ConfigError(f"The run in {folder} was begun {_with(former.get('initial'), initial)}, or choose another --name.")
    write_json(path, begun)


@contextmanager
def held(folder: Path) -> Generator[None, None, None]:
    """Have a run to oneself until the block is left, or this program ends; the folder is made where there is none.

    Raises:
        ConfigError: when another program is at it, and stays.
        StorageError: when the folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((folder / LOCK).open("w"))
        except OSError as error:
            raise StorageError(storage_sentence(folder, error.errno)) from error
        if lock(file.fileno(), patience=PATIENCE) is False:
            raise ConfigError(f"Another program is training in {folder}: stop it first, or choose another --name.")
        yield


def _with(former: Any, initial: Model | None) -> str:
    if not isinstance(former, dict):
        return "without --init-from: leave it out"
    name = former.get("name")
    if initial is not None and initial.manifest.name == name:
        return f"with --init-from {name}, which was another model then: put that back"
    return f"with --init-from {name}: say so again"


def _claim_recipe(folder: Path, recipe: Recipe) -> None:
    path, fields = folder / RECIPE, _plain(recipe)
    if path.exists():
        told = _read(path)
        try:
            # as it is read today: a key that is newer than the run has its default there
            former = _plain(from_json(Recipe, told))
        except ConfigError as error:
            raise _unreadable(path, error) from error
        changed = [key for key in _differences(former, fields) if not key.endswith(_FREE_TO_CHANGE)]
        if changed:
            raise ConfigError(
                f"The run in {folder} was begun with other settings ({', '.join(changed[:3])}): "
                "take those, or choose another --name."
            )
        if "stage_one.loop.steps" in _differences(former, fields) and (folder / "autoencoder").exists():
            raise ConfigError(
                f"The first stage of the run in {folder} is finished, so it cannot have another number of steps: "
                "take those it had, or choose another --name."
            )
    write_json(path, fields)


def _read(path: Path) -> dict[str, Any]:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(fields, dict):
        raise _unreadable(path, "it is no JSON object")
    return fields


def _unreadable(path: Path, why: object) -> ConfigError:
    return ConfigError(
        f"{path} cannot be read ({why}), so it is not known what the run there is: remove the folder, or choose another --name."
    )


def _plain(recipe: Recipe) -> object:
    return json.loads(json.dumps(to_json(recipe)))


def _differences(a: object, b: object, where: str = "") -> list[str]:
    """The dotted keys at which two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted({*a, *b})
        return [found for key in keys for found in _differences(a.get(key), b.get(key), f"{where}.{key}".lstrip("."))]
    return [] if a == b else [where]
