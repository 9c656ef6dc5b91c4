"""From a settled recipe to networks, and from trained networks to a model."""

from __future__ import annotations

from pathlib import Path

import torch

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.checkpoint.assembly import graphs_to_json
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer
from ildm.core.config import to_json
from ildm.core.device import describe
from ildm.core.errors import ConfigError
from ildm.core.files import atomic_file
from ildm.core.manifest import Manifest
from ildm.data.latents import LatentCache
from ildm.denoiser.unet import UNet
from ildm.model import Model
from ildm.training.denoising import Networks
from ildm.training.recipe import Recipe
from ildm.training.run_state import RunState


def make_networks(recipe: Recipe, folder: Path, cache: LatentCache | None, initial: Model | None) -> Networks:
    """What stage two trains, on the CPU, with the weights of `initial` or with random ones that depend on the recipe's seed.

    Args:
        recipe: settled.
        folder: of the run, which keeps its vocabulary.
        cache: whose captions a vocabulary is made of; not needed where `initial` has one.

    Raises:
        ConfigError: when the weights of `initial` do not fit.
    """
    torch.manual_seed(recipe.stage_two.seed)
    conditioner = recipe.condition.conditioner() if recipe.text is None else _text(recipe, folder, cache, initial)
    networks = Networks(UNet(recipe.denoiser), conditioner, recipe.condition.make_hint())
    if initial is not None:
        _copy_weights(Networks(initial.unet, initial.conditioner, initial.hint), networks, initial.manifest.name)
    return networks


def make_model(
    recipe: Recipe,
    networks: Networks,
    autoencoder: Autoencoder,
    initial: Model | None,
    state: RunState | None = None,
    processes: int = 1,
) -> Model:
    """A model of trained networks.

    Args:
        recipe: settled.
        initial: what the training began with; what that had begun with is told, too.
        state: how long the training has been; None = not at all.
        processes: that trained it together.
    """
    size = getattr(recipe.data, "size", 0)
    begun = None if initial is None else initial.manifest
    manifest = Manifest(
        name=recipe.name,
        summary=recipe.summary,
        # weights that were begun with another model's stay under its licence, too
        licence=recipe.licence or begun.licence if begun else recipe.licence,
        attribution=" ".join(dict.fromkeys(text for text in (recipe.attribution, begun.attribution if begun else "") if text)),
        image_size=(size, size),
        prediction=recipe.stage_two.prediction,
        defaults=recipe.sampling.defaults(),
        concepts=tuple(getattr(recipe.data, "concepts", None) or ()),
        training={
            "recipe": to_json(recipe),
            "device": describe(next(networks.parameters()).device),
            "processes": processes,
            "stage_two_steps": 0 if state is None else state.step,
            "stage_two_hours": 0.0 if state is None else round(state.seconds / 3600, 3),
            "started_from": None if begun is None else begun.name,
            "started_with": None if begun is None else begun.training,
        },
        **graphs_to_json(networks.unet, autoencoder, networks.conditioner, recipe.stage_two.path, networks.hint),
    )
    return Model(manifest, autoencoder, networks.unet, networks.conditioner, recipe.stage_two.path, hint=networks.hint)


def _text(recipe: Recipe, folder: Path, cache: LatentCache | None, initial: Model | None) -> Conditioner:
    assert recipe.text is not None
    begun = None if initial is None else initial.conditioner
    if initial is not None and not isinstance(begun, TextConditioner):
        raise ConfigError(
            f"The text encoder of {initial.manifest.name!r} is of another kind than the recipe's: "
            "begin with a model that was trained by this program."
        )
    return TextConditioner(
        recipe.text, _tokenizer(recipe.text, folder, begun.tokenizer if isinstance(begun, TextConditioner) else None, cache)
    )


def _tokenizer(text: TextEncoderConfig, folder: Path, given: Tokenizer | None, cache: LatentCache | None) -> Tokenizer:
    """The run's own vocabulary: that of the model it was begun with, or one made of its captions."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        vocabulary = _trained(text, cache) if given is None else given
        with atomic_file(path) as temporary:
            temporary.write_text(vocabulary.to_json(), encoding="utf-8")
    return Tokenizer.from_file(path, text.max_tokens)


def _trained(text: TextEncoderConfig, cache: LatentCache | None) -> Tokenizer:
    assert cache is not None
    captions = (caption for index in range(len(cache)) for caption in cache.captions(index))
    return Tokenizer.train(captions, vocabulary_size=text.vocabulary_size, max_tokens=text.max_tokens)


def _copy_weights(source: Networks, target: Networks, name: str) -> None:
    try:
        target.load_state_dict({key: value.float() for key, value in source.state_dict().items()})
    except RuntimeError as error:
        raise ConfigError(
            f"The networks of {name!r} have another graph than the recipe's: take the recipe it was trained by, "
            "or train without --init-from."
        ) from error
