"""Complete run configurations as Python functions, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from ildm.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from ildm.training.recipe import Recipe


def _function(task: str) -> str:
    return "classes" if task == "class" else task.replace("-", "_")


_TASKS = ("unconditional", "class", "text", "layout", "semantic-map", "super-resolution", "inpainting")
_HOMES = {
    "emoji": "ildm.recipes.emoji:recipe",
    "emoji-tiny": "ildm.recipes.emoji_tiny:recipe",
    "images": "ildm.recipes.images:recipe",
    **{name: f"ildm.recipes.tasks:{_function(name)}" for name in _TASKS},
    **{f"{name}-tiny": f"ildm.recipes.tiny_tasks:{_function(name)}" for name in _TASKS},
}


def recipe_names() -> list[str]:
    """Every recipe's name, sorted."""
    return sorted(_HOMES)


def find_recipe(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ConfigError: when it is unknown (nearest match named).
    """
    if name not in _HOMES:
        raise ConfigError(f"Unknown recipe {name!r}: {nearest(name, _HOMES)}")
    module, _, function = _HOMES[name].partition(":")
    make: Callable[[], Recipe] = getattr(import_module(module), function)
    return make()
