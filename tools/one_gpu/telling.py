"""What models are told of scenes, in numbers: rows of tokens, and what hints are made of."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.grounding import PADDING, Grounding, named, numbered
from ildm.conditioning.inpainting import Inpainting
from ildm.conditioning.label import LabelConditioner
from ildm.conditioning.layout import LayoutConditioner, read_layout
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.core.masks import thin_kept
from ildm.core.types import Conditioning
from ildm.data.cells import fill_cells
from ildm.data.concepts import concepts_by_label
from ildm.data.mentions import Mentions
from ildm.data.sample import Sample
from ildm.data.telling import pixels_of, wordings_for
from ildm.training.denoising import Networks
from ildm.training.in_places import InPlaces, paint_areas
from ildm.training.recipe import Recipe
from recipe import CELLS

WORDINGS = 4  # of captions that are kept
TEXTS = 5  # of the ground and of as many things as a scene has
Kept = dict[str, tuple[tuple[int, ...], Any]]


class Captions:
    """Some of each scene's captions, as `tokens`, and the numbers of what they name in its map, as `named`.

    Of one of them also what is said of the ground and of each thing alone, as `spoken`, and in which `areas` of every level.
    """

    def __init__(self, tokenizer: Tokenizer, mentions: Mentions, levels: int) -> None:
        self._tokenizer, self._mentions, self._in_places = tokenizer, mentions, InPlaces(mentions)
        self._grids = [(CELLS >> level, CELLS >> level) for level in range(levels)]
        self.kept: Kept = dict.fromkeys(("tokens", "named"), ((WORDINGS, tokenizer.max_tokens), np.int16))
        self.kept["spoken"] = ((TEXTS, tokenizer.max_tokens), np.int16)
        self.kept["areas"] = ((TEXTS, sum(rows * columns for rows, columns in self._grids)), np.uint8)

    def __call__(self, samples: Sequence[Sample], rng: random.Random) -> Mapping[str, Any]:
        said = [(one, sample) for sample in samples for one in rng.choices(sample.captions, k=WORDINGS)]
        known = concepts_by_label()
        things = [
            self._mentions.find(one, [1 + known[thing.concept].index for thing in sample.objects]) for one, sample in said
        ]
        tokens, mask, weights = self._tokenizer.weighted(
            [numbered(one, some) for (one, _), some in zip(said, things, strict=True)]
        )
        told = {"tokens": tokens, "named": named(weights, mask)}
        spoken, areas = self._apart([one for one, _ in said[::WORDINGS]], samples, rng)
        return {key: part.numpy().reshape(len(samples), WORDINGS, -1) for key, part in told.items()} | {
            "spoken": spoken.numpy(), "areas": areas.numpy()
        }  # fmt: skip

    def _apart(self, captions: Sequence[str], samples: Sequence[Sample], rng: random.Random) -> tuple[Tensor, Tensor]:
        """What is said of ground and things, (samples, texts, tokens), and where, (samples, texts, places of all levels), 255 for all."""
        texts, areas = [], torch.zeros(len(samples), *self.kept["areas"][0])
        for caption, sample, row in zip(captions, samples, areas, strict=True):
            assert sample.semantic_map is not None
            cells = torch.from_numpy(fill_cells(sample.semantic_map, self._grids[0])).long()
            spoken = self._in_places.tell_apart(caption, cells, rng)
            texts += [*spoken.texts, *[""] * (TEXTS - len(spoken.texts))]
            shares = paint_areas(spoken, cells, rng)
            row[: len(shares)] = torch.cat([thin_kept(shares, grid).flatten(1) for grid in self._grids], dim=1)
        return self._tokenizer(texts)[0].unflatten(0, (-1, TEXTS)), (255.0 * areas).round().to(torch.uint8)


class Tasks:
    """What each task needs, under its name; of pictures with holes the hole alone. `single` tells scenes of one thing."""

    def __init__(self, plans: Mapping[str, Recipe]) -> None:
        self._readers = {name: plan.condition.conditioner() for name, plan in plans.items()}
        self._hints = {name: plan.condition.make_hint() for name, plan in plans.items()}
        self.kept: Kept = {"single": ((), np.bool_)}
        size = next(iter(plans.values())).data.size if plans else 0
        for name, reader in self._readers.items():
            if reader is not None:
                self.kept[name] = ((1, len(nothing(reader))), np.int16)
        for name, hint in self._hints.items():
            if isinstance(hint, Inpainting):
                self.kept[name] = ((1, size, size), np.uint8)
            elif hint is not None:
                side = size // getattr(hint.config, "factor", size // (CELLS * getattr(hint.config, "detail", 1)))
                self.kept[name] = ((1, side, side), np.int16) if hint.reads_numbers else ((3, side, side), np.uint8)

    def __call__(self, samples: Sequence[Sample], rng: random.Random) -> Mapping[str, Any]:
        told: dict[str, Any] = {"single": [len(sample.objects) == 1 for sample in samples]}
        for name, reader in self._readers.items():
            if reader is not None:
                words = wordings_for(reader)
                told[name] = np.array([[numbers(reader, words(sample)[0])] for sample in samples])
        for name, hint in self._hints.items():
            if hint is not None:
                pixels = torch.stack([pixels_of(hint)(sample, rng) for sample in samples])
                if isinstance(hint, Inpainting):
                    pixels = pixels[:, 3:]
                elif hint.reads_numbers:
                    pixels = hint.features(pixels, unneeded, (CELLS, CELLS))
                told[name] = pixels.numpy()
        return told


def numbers(reader: Conditioner, words: str) -> list[int]:
    """A prompt's tokens, for readers of classes and layouts."""
    if isinstance(reader, LayoutConditioner):
        return reader.tokens.encode(read_layout(words))
    assert isinstance(reader, LabelConditioner)
    label = reader([words]).label
    assert label is not None
    return [int(label)]


def nothing(reader: Conditioner) -> list[int]:
    """The tokens of the empty prompt."""
    return numbers(reader, "")


def ground(networks: Networks, tokens: Tensor, names: Tensor, mask: Tensor, maps: Tensor) -> Grounding:
    """What the tokens name and what lies where, (batch, length) and (batch, rows, columns): boxes, or captions' things and maps."""
    if isinstance(networks.conditioner, LayoutConditioner):
        return networks.conditioner.tokens.ground(tokens, (maps.shape[1], maps.shape[2]))
    return Grounding(names.masked_fill(~mask, PADDING), maps)


def condition(networks: Networks, tokens: Tensor, mask: Tensor, features: Tensor) -> Conditioning:
    """As `Networks.condition`, of tokens (batch, length), their mask and features; what the networks do not take is not looked at."""
    reader, words = networks.conditioner, Conditioning()
    if isinstance(reader, TextConditioner):
        context, pooled = read(reader, tokens, mask)
        words = Conditioning(context=context, context_mask=mask, pooled=pooled)
    elif isinstance(reader, LayoutConditioner):
        context = reader.encoder(tokens, torch.ones_like(mask))
        words = Conditioning(context=context, pooled=context.mean(dim=1) if reader.config.pooled else None)
    elif isinstance(reader, LabelConditioner):
        words = Conditioning(label=tokens[:, 0])
    return words if networks.hint is None else words.beside(networks.hint(features))


def read(reader: TextConditioner, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Context and pooled vector of tokens (batch, length)."""
    context = reader.encoder(tokens, mask)
    real = mask.to(context.dtype)[..., None]
    return context, (context * real).sum(dim=1) / real.sum(dim=1)


def unneeded(images: Tensor) -> Tensor:
    """In the place of an encoder, for hints that need none."""
    raise AssertionError(images.shape)
