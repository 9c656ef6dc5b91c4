"""What is trained: the recipe of the shipped model with every concept, and lengths in seconds instead of steps."""

from __future__ import annotations

from dataclasses import replace

from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.recipes import emoji
from ildm.training.recipe import Recipe

CELLS = 16  # rows and columns of the latents
TOKENS = 40  # more than any caption has, fewer than the text encoder could read


def recipe(channels: int, scenes: int) -> Recipe:
    """The recipe for latents of so many channels."""
    plan = emoji.recipe()
    assert isinstance(plan.data, EmojiScenesConfig) and plan.text is not None
    return replace(
        plan,
        data=replace(plan.data, concepts=None, length=scenes, single_object_share=0.4),
        autoencoder=replace(plan.autoencoder, latent_channels=channels),
        denoiser=replace(plan.denoiser, in_channels=channels, out_channels=channels),
        text=replace(plan.text, vocabulary_size=4096),
        stage_two=replace(
            plan.stage_two,
            # at 3e-3 and little decay it went astray after 2.5 million samples
            optimizer=replace(plan.stage_two.optimizer, hidden_learning_rate=2e-3, weight_decay=0.1, decay_share=0.4),
        ),
    )
