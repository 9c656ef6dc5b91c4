"""What is trained: the recipe of the shipped model, with every concept where that is wanted, the tasks' as they are; by the clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ildm.conditioning.tokenizer import Tokenizer
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.recipes import emoji, find_recipe, small
from ildm.training.recipe import Recipe
from ildm.training.stage_two_config import StageTwoConfig

CELLS = 16  # rows and columns of the latents
TOKENS = 40  # more than any caption has, fewer than the text encoder could read
SHARES = {"layout": 50, "inpainting": 45, "semantic-map": 35, "class": 25, "super-resolution": 15, "unconditional": 15}
"""The tasks, and how much of their time each has."""


def recipe(
    channels: int,
    scenes: int,
    vocabulary: int,
    *,
    every_concept: bool,
    begun: bool,
    decoder: tuple[int, ...] | None,
    perceptual: float,
    seed: int,
) -> Recipe:
    """The shipped model's, for latents of so many channels and so large a vocabulary.

    Args:
        decoder: residual blocks per level of the first stage's decoder, from the image's side; None = as they are.
        perceptual: weight of that term when the decoder is trained alone; 0 = none.
        seed: of the scenes.
        begun: by another training, which has bound words to things: naming has done its work, and places can go on to learn their words.
    """
    plan = emoji.recipe()
    assert isinstance(plan.data, EmojiScenesConfig) and plan.text is not None
    concepts = None if every_concept else plan.data.concepts
    return replace(
        plan,
        data=replace(plan.data, concepts=concepts, length=scenes, seed=seed, single_object_share=0.3 if begun else 0.4),
        autoencoder=replace(plan.autoencoder, latent_channels=channels, decoder_res_blocks=decoder),
        denoiser=replace(plan.denoiser, in_channels=channels, out_channels=channels),
        text=replace(plan.text, vocabulary_size=vocabulary),
        stage_one=replace(
            plan.stage_one,
            loss=replace(
                plan.stage_one.loss, backbone="lite2" if perceptual else "none", magnification=2, perceptual_weight=perceptual
            ),
        ),
        # on plateaus of 2e-3 and 3e-3, and helped for longer, it went astray after 2.3 million samples
        stage_two=replace(
            _patient(
                plan, hidden_learning_rate=1e-3 if begun else 1.5e-3, learning_rate=5e-4 if begun else 7e-4, decay_share=1.0
            ),
            alignment=0.0 if begun else plan.stage_two.alignment,
            helped=(0.5, 0.7) if begun else (0.08, 0.2),
        ),
    )


def read_tokenizer(path: Path) -> Tokenizer:
    """A text model's."""
    return Tokenizer.from_file(path, small.TEXT.max_tokens)


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
