"""A run's folder belongs to one configuration, so that the same command goes on with it and another one is told."""

from __future__ import annotations

import json
from pathlib import Path

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError
from ildm.core.files import write_json
from ildm.training.recipe import Recipe

RECIPE = "recipe.json"
"""What a run was begun with, in its folder."""
_FREE_TO_CHANGE = ("loop.steps", "log_every", "save_every", "sample_every", "workers", "summary", "prompts")


def claim(folder: Path, recipe: Recipe) -> None:
    """Write the recipe beside the run, or see that the run there was begun with it.

    Raises:
        ConfigError: when it was begun with another one, or it cannot be told with which.
    """
    path, fields = folder / RECIPE, _plain(recipe)
    if path.exists():
        try:
            # as it is read today: a key that is newer than the run has its default there
            former = _plain(from_json(Recipe, json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, ConfigError) as error:
            raise ConfigError(
                f"{path} cannot be read ({error}), so it is not known what the run there is: remove the folder, or choose "
                "another --name."
            ) from error
        changed = [key for key in _differences(former, fields) if not key.endswith(_FREE_TO_CHANGE)]
        if changed:
            raise ConfigError(
                f"The run in {folder} was begun with other settings ({', '.join(changed[:3])}): "
                "take those, or choose another --name."
            )
    write_json(path, fields)


def _plain(recipe: Recipe) -> object:
    return json.loads(json.dumps(to_json(recipe)))


def _differences(a: object, b: object, where: str = "") -> list[str]:
    """The dotted keys at which two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        keys = sorted({*a, *b})
        return [found for key in keys for found in _differences(a.get(key), b.get(key), f"{where}.{key}".lstrip("."))]
    return [] if a == b else [where]
