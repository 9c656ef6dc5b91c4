"""EmojiScenes: openly licensed drawings composed into scenes whose caption, boxes and maps are exact."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from ildm.core.config import to_json
from ildm.core.errors import ConfigError, nearest
from ildm.data.backgrounds import BACKGROUND_KINDS, BackgroundKind
from ildm.data.captions import Placed, write_captions
from ildm.data.casting import Cast
from ildm.data.concepts import Concept, find_concepts, phrases_among
from ildm.data.layout import LARGEST_SCALE
from ildm.data.sample import Sample, SceneObject
from ildm.data.scenes import Painted, compose
from ildm.data.splits import SPLITS, Split
from ildm.data.sprite_cache import resolution_for, sprite_folder
from ildm.data.sprites import SpriteStore
from ildm.data.styles import TRAINED_STYLES, UNSEEN_STYLES, find_style

SIZES = (64, 128, 256)
_COMPOSER = 1  # raise when the same configuration would draw other scenes


@dataclass(frozen=True, kw_only=True)
class EmojiScenesConfig:
    """Which scenes to make.

    Args:
        size: side of the square images, pixels: 64, 128 or 256.
        length: how many scenes; each is a function of (split, seed, index) alone.
        concepts: labels of those that may appear; None = all 861.
        styles: names of `STYLES`; None = all that the split allows.
        max_objects: 1 to 4.
        single_object_share: share of the scenes with one object, in [0, 1].
        mixed_style_share: share of the scenes with several objects whose styles may differ, in [0, 1].
        plain_share: share of plain backgrounds where `backgrounds` names other kinds too, in [0, 1].
        overlap: how much of the smaller of two objects' boxes may be covered, in [0, 0.9].
        captions: how many wordings each scene gets at most.
        sprites: "cache" (built by `ildm data emoji`) or "sample" (24 sprites inside the package, no network).
    """

    size: int = 128
    split: Split = "train"
    length: int = 1_000_000
    seed: int = 0
    concepts: tuple[str, ...] | None = None
    styles: tuple[str, ...] | None = None
    max_objects: int = 4
    single_object_share: float = 0.4
    mixed_style_share: float = 0.1
    backgrounds: tuple[BackgroundKind, ...] = BACKGROUND_KINDS
    plain_share: float = 0.4
    overlap: float = 0.0
    captions: int = 5
    sprites: Literal["cache", "sample"] = "cache"
    kind: Literal["emoji-scenes"] = "emoji-scenes"

    def __post_init__(self) -> None:
        _check_choice("size", self.size, SIZES)
        _check_choice("split", self.split, SPLITS)
        _check_choice("sprites", self.sprites, ("cache", "sample"))
        for kind in self.backgrounds:
            _check_choice("backgrounds", kind, BACKGROUND_KINDS)
        for name in self.styles or ():
            find_style(name)
        for key, low, high in (("max_objects", 1, 4), ("length", 1, 2**31), ("captions", 1, 64), ("overlap", 0.0, 0.9)):
            _check_range(key, getattr(self, key), low, high)
        for key in ("single_object_share", "mixed_style_share", "plain_share"):
            _check_range(key, getattr(self, key), 0.0, 1.0)
        if not self.backgrounds or self.concepts == () or self.styles == ():
            raise ConfigError(
                "EmojiScenes needs at least one concept, one style and one background kind, but an empty list was given."
            )


class EmojiScenes:
    """The scenes of one configuration, an `ImageDataset`.

    Raises:
        ConfigError: for a concept that is not known, or a split that is empty for these concepts and styles.
        DataError: when the sprites were not built.
    """

    def __init__(self, config: EmojiScenesConfig) -> None:
        self.config = config
        self.concepts: tuple[Concept, ...] = find_concepts(config.concepts)
        self.styles = _styles(config)
        self._phrases = phrases_among(self.concepts)
        folder = sprite_folder(config.sprites, resolution_for(config.size))
        self._sprites = SpriteStore(folder, longest=round(LARGEST_SCALE * config.size))
        self._cast = Cast(self._sprites, config.split, self.concepts, self.styles, config.mixed_style_share)

    def __len__(self) -> int:
        return self.config.length

    @property
    def fingerprint(self) -> str:
        """A hash of the configuration, the sprites and the composer's version."""
        values = {"composer": _COMPOSER, "sprites": self._sprites.fingerprint, **to_json(self.config)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """The configuration with what it resolves to."""
        return {
            "name": "EmojiScenes",
            "fingerprint": self.fingerprint,
            "config": to_json(self.config),
            "styles": list(self.styles),
            "concepts": len(self.concepts),
        }

    def warm_up(self) -> None:
        """Decode every sprite now, so that forked workers share one copy."""
        for style in self.styles:
            codes = self._sprites.codes(style)
            for concept in self.concepts:
                if concept.code in codes:
                    self._sprites.get(style, concept.code)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"Scene {index} was asked for, but there are {len(self)}.")
        config = self.config
        rng = _generator(config.split, config.seed, index)
        count = self._draw_count(rng)
        painted = compose(
            rng,
            lambda: self._cast.draw(rng, count),
            self._sprites,
            size=config.size,
            kinds=config.backgrounds,
            plain_share=config.plain_share,
            overlap=config.overlap,
        )
        return self._sample(rng, painted)

    def _draw_count(self, rng: random.Random) -> int:
        least = 2 if self.config.split == "unseen_concept_pair" else 1
        most = max(self.config.max_objects, least)
        if most == 1 or (least == 1 and rng.random() < self.config.single_object_share):
            return 1
        # two objects as often as three and four together: relations are learnt on pairs
        counts = (2, 2, 3, 4)[: 1 if most == 2 else most]
        return counts[int(rng.random() * len(counts))]

    def _sample(self, rng: random.Random, painted: Painted) -> Sample:
        size = self.config.size
        placed = [
            Placed(
                concept=role.concept,
                phrases=self._phrases[role.concept],
                style=role.style,
                box=(box[0] / size, box[1] / size, box[2] / size, box[3] / size),
            )
            for role, box in zip(painted.roles, painted.boxes, strict=True)
        ]
        # in numpy: torch would wake its thread pool for every small map
        classes = np.array([0, *(one.concept.index + 1 for one in placed)], dtype=np.int16)
        return Sample(
            image=torch.from_numpy(painted.image).permute(2, 0, 1),
            captions=write_captions(rng, placed, painted.background, self.config.captions),
            objects=tuple(
                SceneObject(concept=one.concept.label, style=one.style, box=one.box, instance=number)
                for number, one in enumerate(placed, start=1)
            ),
            instance_map=torch.from_numpy(painted.instances),
            semantic_map=torch.from_numpy(classes[painted.instances]),
            source=f"{painted.background.kind}: {', '.join(painted.background.colours)}",
        )


def _styles(config: EmojiScenesConfig) -> tuple[str, ...]:
    allowed = UNSEEN_STYLES if config.split == "unseen_style" else TRAINED_STYLES
    if config.styles is None:
        return allowed
    kept = tuple(style for style in config.styles if style in allowed)
    # a training configuration turned to another split keeps working: the held-out styles replace the trained ones
    if not kept and config.split == "unseen_style":
        return allowed
    if not kept:
        raise ConfigError(
            f"The split {config.split!r} shows the styles {', '.join(allowed)}, but only {', '.join(config.styles)} was given."
        )
    return kept


def _generator(split: str, seed: int, index: int) -> random.Random:
    digest = hashlib.blake2b(f"{split}:{seed}:{index}".encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "little"))


def _check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        named = [str(choice) for choice in choices]
        hint = f": {nearest(value, named)}" if isinstance(value, str) else "."
        raise ConfigError(f"{key} is one of {', '.join(named)}, but {value!r} was given{hint}")


def _check_range(key: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{key} lies between {low} and {high}, but {value!r} was given.")
