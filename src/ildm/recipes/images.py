"""Your own captioned images, imported by `ildm data import`: a few thousand of them and one machine are enough."""

from __future__ import annotations

from dataclasses import replace

from ildm.data.folder import ImageFolderConfig
from ildm.recipes import small
from ildm.training.recipe import Recipe


def on_images(recipe: Recipe, name: str) -> Recipe:
    """A recipe on imported images in place of its own data: with an autoencoder of their own, and told only what they say.

    Args:
        name: given to `ildm data import`.
    """
    return replace(
        recipe,
        data=ImageFolderConfig(name=name, size=recipe.data.size),
        first_stage="",
        # boxes say themselves where things lie; of captions nobody knows which words are for what
        stage_two=replace(
            recipe.stage_two,
            alignment=0.0,
            grounding=0.0 if recipe.condition.layout is None else recipe.stage_two.grounding,
            placing=0.0,
            in_places=0.0,
        ),
        prompts=(),
        num_latents=0,
        licence="",
        attribution="",
    )


def recipe() -> Recipe:
    """128 px, f = 8; the graph of the shipped model, trained on a folder of yours."""
    return Recipe(
        name="images",
        summary="Trained on imported images.",
        data=ImageFolderConfig(name="images", size=128),
        autoencoder=small.AUTOENCODER,
        stage_one=small.stage_one(steps=10_000),
        denoiser=small.DENOISER,
        text=small.TEXT,
        stage_two=small.stage_two(steps=20_000),
    )
