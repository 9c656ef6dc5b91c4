"""What a model is asked to draw of a scene: in words, and in what it is shown beside them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Bool
from PIL import Image as PILImage
from torch import Tensor

from ildm.conditioning.hint import Hint
from ildm.conditioning.label import LabelConditioner
from ildm.core.picture import from_picture
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
    """

    def __init__(self, conditioner: object | None, hint: Hint | None) -> None:
        self._conditioner = conditioner
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

    def __call__(self, samples: Sequence[Sample]) -> list[Ask]:
        """One for each scene, always the same for the same place in the list; holes take turns between their kinds.

        Raises:
            ConfigError, DataError: when a scene lacks what the model is told.
        """
        return [self._ask(place, sample) for place, sample in enumerate(samples)]

    def _ask(self, place: int, sample: Sample) -> Ask:
        prompt = "" if self._wordings is None else self._wordings(sample)[0]
        if self._hint is None:
            return Ask(prompt=prompt)
        rng = random.Random(f"evaluation: {place}")
        hole = HOLE_KINDS[place % len(HOLE_KINDS)] if "hole" in self.tells else None
        pixels = pixels_of(self._hint)(sample, rng) if hole is None else with_hole(sample, rng, hole)
        [(image, mask)] = self._hint.pictures(pixels[None])
        return Ask(prompt=prompt, image=image, mask=mask, hole=hole)


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
