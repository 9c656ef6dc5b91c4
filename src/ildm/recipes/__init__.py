"""Complete run configurations as Python functions, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from ildm.core.errors import ConfigError, nearest

if TYPE_CHECKING:
    from ildm.training.recipe import Recipe

_HOMES = {"emoji": "ildm.recipes.emoji", "emoji-tiny": "ildm.recipes.emoji_tiny", "images": "ildm.recipes.images"}


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
    make: Callable[[], Recipe] = import_module(_HOMES[name]).recipe
    return make()
