"""What a model is asked to draw of a scene: in words, and in what it is shown beside them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool
from PIL import Image as PILImage
from torch import Tensor

from ildm.conditioning.hint import Hint
from ildm.conditioning.label import LabelConditioner, LabelConfig
from ildm.conditioning.layout import LayoutConditioner
from ildm.conditioning.semantic_map import SemanticMapConfig
from ildm.core.picture import from_picture
from ildm.data.concepts import concepts_by_label
from ildm.data.holes import HOLE_KINDS, HoleKind
from ildm.data.sample import Sample
from ildm.data.telling import ClassOf, Layouts, pixels_of, with_hole, wordings_for

# what models that read words, and those that are shown something, are told by it
_BY_CAPTIONS = frozenset({"captions", "things", "places"})
_BY_BOXES = frozenset({"boxes", "things", "places"})
_BY_MAP = frozenset({"map", "things", "places"})
_BY_SIGHT = {"semantic-map": _BY_MAP, "low-resolution": frozenset({"small picture"}), "inpainting": frozenset({"hole"})}


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a model is asked for.

    Args:
        prompt: in words without syntax; "" for a model that takes none.
        image, mask: what it is shown, see `ildm.model.Model.generate`; None = nothing.
        hole: of which kind the mask is.
    """

    prompt: str = ""
    image: PILImage.Image | None = None
    mask: PILImage.Image | None = None
    hole: HoleKind | None = None


class Asking:
    """From scenes to what a model with this conditioner and this hint is asked for.

    `tells` names what it is told by that: "captions" (which say all), "class", "boxes", "map", "small picture" or "hole", "things" where
    it learns of every thing what it is, and "places" where it learns of several how they lie. A model that is shown the picture itself,
    small or with a hole, has seen what its words say, so they are not counted.

    A model that was trained to know other things by name is `foreign`: what it draws cannot be judged by a scene. So that it can be asked
    at all, the things of each scene go by names of its own, one after the other.

    Args:
        concepts: labels of those that scenes show; none = all there are.
    """

    def __init__(self, conditioner: object | None, hint: Hint | None, concepts: Sequence[str] = ()) -> None:
        self._conditioner = conditioner
        self._shown = tuple(concepts) or tuple(concepts_by_label())
        self._wordings = None if conditioner is None else wordings_for(conditioner)
        self._hint = hint

    @property
    def tells(self) -> frozenset[str]:
        """See the class."""
        shown = frozenset[str]() if self._hint is None else _BY_SIGHT.get(self._hint.kind, frozenset())
        if shown & {"small picture", "hole"} or self._wordings is None:
            return shown
        if isinstance(self._wordings, Layouts):
            return shown | _BY_BOXES
        return shown | (frozenset({"class"}) if isinstance(self._wordings, ClassOf) else _BY_CAPTIONS)

    @property
    def styles(self) -> tuple[str, ...]:
        """The styles that are its classes; none where concepts are."""
        if not isinstance(self._conditioner, LabelConditioner) or self._wordings != ClassOf("style"):
            return ()
        return self._conditioner.config.names

    @property
    def missing(self) -> tuple[str, ...]:
        """What scenes show that it has no name for, in prompts or in maps; nothing where it needs none."""
        read = () if self.styles else _names_read(self._conditioner)
        lists = [{_plain(name) for name in names} for names in (read, _names_seen(self._hint)) if names]
        return tuple(label for label in self._shown if any(_plain(label) not in names for names in lists))

    @cached_property
    def foreign(self) -> bool:
        """See the class."""
        return bool(self.missing)

    def __call__(self, samples: Sequence[Sample]) -> list[Ask]:
        """One for each scene, always the same for the same place in the list; holes take turns between their kinds.

        Raises:
            ConfigError, DataError: when a scene lacks what the model is told.
        """
        return [self._ask(place, sample) for place, sample in enumerate(samples)]

    def _ask(self, place: int, sample: Sample) -> Ask:
        read, seen = _names_read(self._conditioner), _names_seen(self._hint)
        told = _renamed(sample, read, place) if self.foreign else sample
        prompt = "" if self._wordings is None else self._wordings(told)[0]
        if self._hint is None:
            return Ask(prompt=prompt)
        if seen:
            sample = _mapped(_renamed(sample, seen, place) if self.foreign else sample, seen)
        rng = random.Random(f"evaluation: {place}")
        hole = HOLE_KINDS[place % len(HOLE_KINDS)] if "hole" in self.tells else None
        pixels = pixels_of(self._hint)(sample, rng) if hole is None else with_hole(sample, rng, hole)
        [(image, mask)] = self._hint.pictures(pixels[None])
        return Ask(prompt=prompt, image=image, mask=mask, hole=hole)


def _names_read(conditioner: object | None) -> tuple[str, ...]:
    """The names of classes and boxes; a class without a name goes by its number."""
    if isinstance(conditioner, LayoutConditioner):
        return conditioner.config.names
    if not isinstance(conditioner, LabelConditioner):
        return ()
    return conditioner.config.names or _numbers(conditioner.config)


def _numbers(config: LabelConfig) -> tuple[str, ...]:
    return tuple(str(number) for number in range(config.count) if number != config.unconditional)


def _names_seen(hint: Hint | None) -> tuple[str, ...]:
    """The names of what maps show."""
    return hint.config.names if hint is not None and isinstance(hint.config, SemanticMapConfig) else ()


def _renamed(sample: Sample, names: Sequence[str], place: int) -> Sample:
    """A scene whose things go by these names; as it is where there are none."""
    if not names:
        return sample
    things = [replace(thing, concept=names[(place + number) % len(names)]) for number, thing in enumerate(sample.objects)]
    return replace(sample, objects=tuple(things))


def _mapped(sample: Sample, names: Sequence[str]) -> Sample:
    """A scene whose map has the number that each of its things has among these names, from 1 on."""
    if sample.instance_map is None:
        return sample
    places = {_plain(name): place for place, name in enumerate(names, start=1)}
    numbers = torch.zeros(len(sample.objects) + 1, dtype=torch.long)
    for thing in sample.objects:
        numbers[thing.instance] = places[_plain(thing.concept)]
    return replace(sample, semantic_map=numbers[sample.instance_map.long()])


def _plain(name: str) -> str:
    return name.strip().lower()


def derangement(count: int) -> list[int]:
    """Every number below `count` at a place that is not its own: whose answer is judged in whose place."""
    return [(place - 1) % count for place in range(count)]


def shown_to_others(asks: Sequence[Ask]) -> list[Ask]:
    """The same with the words and the picture of another one; holes stay where they are."""
    return [
        replace(ask, prompt=asks[other].prompt, image=asks[other].image)
        for ask, other in zip(asks, derangement(len(asks)), strict=True)
    ]


def hole_of(ask: Ask) -> Bool[Tensor, "height width"]:
    """Where an image with a hole is drawn anew, True inside."""
    assert ask.mask is not None, "only what has a hole is asked"
    return from_picture(ask.mask)[0] >= 128
