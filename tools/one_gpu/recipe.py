"""What is trained: the recipe of the shipped model with every concept, the tasks' as they are; lengths in seconds instead of steps."""

from __future__ import annotations

from dataclasses import replace

from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.recipes import emoji, find_recipe
from ildm.training.recipe import Recipe
from ildm.training.stage_two import StageTwoConfig

CELLS = 16  # rows and columns of the latents
TOKENS = 40  # more than any caption has, fewer than the text encoder could read
SHARES = {"layout": 50, "inpainting": 45, "semantic-map": 35, "class": 25, "super-resolution": 15, "unconditional": 15}
"""The tasks, and how much of their time each has."""


def recipe(channels: int, scenes: int) -> Recipe:
    """The shipped model's, for latents of so many channels."""
    plan = emoji.recipe()
    assert isinstance(plan.data, EmojiScenesConfig) and plan.text is not None
    return replace(
        plan,
        data=replace(plan.data, concepts=None, length=scenes, single_object_share=0.4),
        autoencoder=replace(plan.autoencoder, latent_channels=channels),
        denoiser=replace(plan.denoiser, in_channels=channels, out_channels=channels),
        text=replace(plan.text, vocabulary_size=4096),
        # at twice and three times these rates it went astray after 2.3 million samples
        stage_two=_patient(plan, hidden_learning_rate=1e-3, learning_rate=5e-4, decay_share=0.4),
    )


def task(name: str, channels: int) -> Recipe:
    """A task's, settled."""
    plan = find_recipe(name)
    assert isinstance(plan.data, EmojiScenesConfig)
    dataset = EmojiScenes(plan.data)
    plan = replace(
        plan,
        autoencoder=replace(plan.autoencoder, latent_channels=channels),
        stage_two=_patient(plan, hidden_learning_rate=2e-3, decay_share=0.5, warmup_steps=200),
    )
    return plan.settled(dataset)


def _patient(plan: Recipe, **changes: float) -> StageTwoConfig:
    two = plan.stage_two
    return replace(two, optimizer=replace(two.optimizer, weight_decay=0.1, **changes))  # type: ignore[arg-type]
