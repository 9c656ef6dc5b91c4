"""Every task in seconds, on the 24 sprites inside the package: for tests and for a first look. They draw coloured blobs."""

from __future__ import annotations

from dataclasses import replace

from ildm.conditioning.inpainting import InpaintingConfig
from ildm.conditioning.layout import LayoutConfig
from ildm.conditioning.low_resolution import LowResolutionConfig
from ildm.conditioning.semantic_map import SemanticMapConfig
from ildm.recipes import emoji_tiny
from ildm.training.recipe import Recipe
from ildm.training.told import ClassesConfig, Condition


def unconditional() -> Recipe:
    """See `ildm.recipes.tasks.unconditional`."""
    return _task("unconditional-tiny", Condition())


def classes() -> Recipe:
    """See `ildm.recipes.tasks.classes`."""
    return _task("class-tiny", Condition(classes=ClassesConfig()))


def text() -> Recipe:
    """See `ildm.recipes.tasks.text`."""
    return replace(emoji_tiny.recipe(), name="text-tiny")


def layout() -> Recipe:
    """See `ildm.recipes.tasks.layout`."""
    layout = LayoutConfig(width=32, depth=1, num_heads=2, grid=16)
    recipe = _task("layout-tiny", Condition(layout=layout), max_objects=3)
    return replace(recipe, stage_two=replace(recipe.stage_two, grounding=0.3))


def semantic_map() -> Recipe:
    """See `ildm.recipes.tasks.semantic_map`."""
    return _task("semantic-map-tiny", Condition(hint=SemanticMapConfig(width=4, context_width=32)), max_objects=3)


def super_resolution() -> Recipe:
    """See `ildm.recipes.tasks.super_resolution`."""
    return _task("super-resolution-tiny", Condition(hint=LowResolutionConfig(factor=4)))


def inpainting() -> Recipe:
    """See `ildm.recipes.tasks.inpainting`."""
    return _task("inpainting-tiny", Condition(hint=InpaintingConfig()))


def _task(name: str, condition: Condition, *, max_objects: int = 1) -> Recipe:
    recipe = emoji_tiny.recipe()
    return replace(
        recipe,
        name=name,
        data=replace(recipe.data, max_objects=max_objects),
        text=None,
        condition=condition,
        prompts=(),
    )
