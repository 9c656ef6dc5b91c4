"""What a recipe needs of its data and of the model it begins with, looked at before anything is trained."""

from __future__ import annotations

from ildm.autoencoder.deepening import deepens
from ildm.conditioning.tokenizer import SMALLEST
from ildm.core.errors import ConfigError, DataError
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.mentions import mentions_of
from ildm.data.sample import ImageDataset
from ildm.model import Model
from ildm.training.auxiliary import NO_MAPS, nothing_to_ground
from ildm.training.recipe import Recipe


def check_data(recipe: Recipe, dataset: ImageDataset, initial: Model | None) -> None:
    """See that the data have what stage two learns from beside the images.

    Raises:
        ConfigError: for what these data cannot be asked for.
        DataError: when there is not one word to learn from.
    """
    if recipe.stage_two.loop.steps == 0 or len(dataset) == 0:
        return
    if recipe.text is not None and initial is None:
        _check_words(recipe.text.vocabulary_size, dataset)
    if recipe.stage_two.alignment and dataset[0].semantic_map is None:
        raise ConfigError(NO_MAPS)
    is_captioned = recipe.text is not None and mentions_of(dataset, ()) is not None
    is_told = is_captioned or recipe.condition.layout is not None
    for key, can_be in (("grounding", is_told), ("placing", is_told), ("in_places", is_captioned)):
        if getattr(recipe.stage_two, key) and not can_be:
            raise ConfigError(nothing_to_ground(key))
    if recipe.stage_two.in_places and recipe.condition.hint is not None:
        raise ConfigError(
            "stage_two.in_places is for models that are told by words alone, but this one is shown more: set it to 0."
        )


def check_initial(recipe: Recipe, initial: Model | None) -> None:
    """See that there is a model to begin with where the recipe needs one, and that it fits.

    Raises:
        ConfigError: when there is none, or it does not.
    """
    one, two, shared = recipe.stage_one, recipe.stage_two, bool(recipe.first_stage)
    if initial is None:
        for key, needs, what in (
            ("stage_one.loop.steps is 0", one.loop.steps == 0 and not shared, "autoencoder"),
            ("stage_one.decoder_only is set", one.decoder_only and not shared, "encoder"),
            ("stage_two.loop.steps is 0", two.loop.steps == 0, "denoiser"),
        ):
            if needs:
                raise ConfigError(f"{key}, so there is no {what}: give one with --init-from MODEL.")
    elif initial.autoencoder.config != recipe.autoencoder:
        if not deepens(recipe.autoencoder, initial.autoencoder.config):
            raise ConfigError(
                f"The autoencoder of {initial.manifest.name!r} has another graph than the recipe's: "
                "take the recipe it was trained by, or train without --init-from."
            )
        if not one.decoder_only and initial.autoencoder.config.decoder_depths != recipe.autoencoder.decoder_depths:
            raise ConfigError(
                f"The decoder of {initial.manifest.name!r} has fewer residual blocks than the recipe's: train the new ones with "
                "--set stage_one.decoder_only=true, or leave autoencoder.decoder_res_blocks as it was."
            )
    elif one.decoder_only and one.loop.steps == 0:
        raise ConfigError("stage_one.decoder_only trains the decoder, but stage_one.loop.steps is 0: give it some.")


def check_discriminator(recipe: Recipe, initial: Model | None, *, has_begun: bool) -> None:
    """See that a discriminator that is asked for acts before stage one ends. A run that has begun may end earlier than was planned.

    Raises:
        ConfigError: when it would never act.
    """
    one, is_given = recipe.stage_one, initial is not None and not recipe.stage_one.decoder_only
    start, steps = one.loss.discriminator_start, one.loop.steps
    if one.loss.discriminator_weight <= 0 or start < steps or steps == 0 or is_given or recipe.first_stage or has_begun:
        return
    raise ConfigError(
        f"stage_one.loss.discriminator_start is {start}, but stage one ends after {steps} steps, so the discriminator would never "
        f"act: let it start before {steps}, or leave it out by stage_one.loss.discriminator_weight=0."
    )


def _check_words(vocabulary_size: int, dataset: ImageDataset) -> None:
    if vocabulary_size <= SMALLEST:
        raise ConfigError(
            f"text.vocabulary_size must be above {SMALLEST}, which bytes and marks take, but {vocabulary_size} was given: try 4096."
        )
    if isinstance(dataset, EmojiScenes):
        return
    if not any(caption.strip() for index in range(len(dataset)) for caption in dataset[index].captions):
        raise DataError("There is not one word in the captions: a text model needs captioned images.")
