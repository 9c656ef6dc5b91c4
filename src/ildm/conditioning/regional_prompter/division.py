"""A divided image: which prompt acts where, beside what is said of all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float

from ildm.conditioning.ratios import Box
from ildm.conditioning.rules import Mode, Overlap
from ildm.core.errors import ConfigError, nearest

Calculation = Mode
"""Regional Prompter's name for it."""

_DECIMALS = 12


@dataclass(frozen=True, kw_only=True)
class Word:
    """An area known only while the image is drawn: where this word of the base prompt has the model's attention.

    Args:
        text: as the tokenizer sees it, without brackets and weights.
        threshold: in [0, 1], of the attention's maximum; the lower, the wider the area.
    """

    text: str
    threshold: float

    def __post_init__(self) -> None:
        if not self.text:
            raise ConfigError("An area that follows a word needs that word, but an empty one was given.")
        _check_share("threshold", self.threshold)


Area = Box | Float[np.ndarray, "height width"] | Word
"""A box in fractions of the image, a soft mask in [0, 1] at any resolution, or a word."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What is drawn in one area.

    Args:
        prompt: without the common prompt. Spaces around it are left out, here as in every prompt of a division.
        base_ratio: the base prompt's share in this area, in [0, 1]; the prompt has the rest.
        area: a box's borders are kept to 12 decimals, far below a pixel, so that they survive being written as ratios.

    Raises:
        ConfigError: for a share outside [0, 1], a box that is empty or leaves the image, or a mask that is none.
    """

    prompt: str
    negative_prompt: str = ""
    base_ratio: float = 0.0
    area: Area

    def __post_init__(self) -> None:
        _check_share("base_ratio", self.base_ratio)
        area = self.area
        if isinstance(area, tuple):
            area = _kept_box(area)
        elif isinstance(area, np.ndarray):
            area = kept_mask(area)
        object.__setattr__(self, "area", area)
        object.__setattr__(self, "prompt", self.prompt.strip())
        object.__setattr__(self, "negative_prompt", self.negative_prompt.strip())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Part):
            return NotImplemented
        if isinstance(self.area, np.ndarray) or isinstance(other.area, np.ndarray):
            same_area = type(self.area) is type(other.area) and np.array_equal(self.area, other.area)  # pyright: ignore[reportArgumentType]
        else:
            same_area = self.area == other.area
        return same_area and self._texts() == other._texts()

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def _texts(self) -> tuple[str, str, float]:
        return self.prompt, self.negative_prompt, self.base_ratio


@dataclass(frozen=True, kw_only=True)
class Division:
    """An image divided among prompts. Each is in AUTOMATIC1111's syntax, see `ildm.conditioning.prompt`.

    Args:
        base_prompt: drawn where no part is, and mixed into each part by its base ratio; empty = none.
        negative_prompt: beside the base prompt.
        common_prompt: goes in front of every part's prompt.
        common_negative_prompt: goes in front of every part's negative prompt.
        parts: at least one, the lowest first.
    """

    base_prompt: str = ""
    negative_prompt: str = ""
    common_prompt: str = ""
    common_negative_prompt: str = ""
    parts: tuple[Part, ...]
    overlap: Overlap = "normalise"
    calculation: Calculation = "attention"

    def __post_init__(self) -> None:
        if not self.parts:
            raise ConfigError("An image is divided into at least one part, but none was given.")
        for name, known in (("overlap", get_args(Overlap)), ("calculation", get_args(Calculation))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{getattr(self, name)!r} is no {name} of a division: {nearest(getattr(self, name), known)}")
        for name in ("base_prompt", "negative_prompt", "common_prompt", "common_negative_prompt"):
            object.__setattr__(self, name, getattr(self, name).strip())

    def prompts(self) -> tuple[str, ...]:
        """What each part draws: the common prompt, a comma, its own prompt."""
        return tuple(_joined(self.common_prompt, part.prompt) for part in self.parts)

    def negative_prompts(self) -> tuple[str, ...]:
        """What each part avoids: the common negative prompt, a comma, its own."""
        return tuple(_joined(self.common_negative_prompt, part.negative_prompt) for part in self.parts)


def kept_mask(mask: np.ndarray) -> Float[np.ndarray, "height width"]:
    """A mask of one's own that nobody changes, as float32.

    Raises:
        ConfigError: when it has not two dimensions, has no pixel, or has values outside [0, 1].
    """
    if mask.ndim != 2 or not mask.size or mask.dtype.kind not in "fiub":
        raise ConfigError(
            f"The mask of a region has a height and a width and numbers in [0, 1], "
            f"but one of shape {mask.shape} and type {mask.dtype} was given."
        )
    if not ((mask >= 0) & (mask <= 1)).all():
        raise ConfigError(
            "The mask of a region has numbers in [0, 1], but one with others was given: divide it by its maximum."
        )
    kept = np.array(mask, dtype=np.float32)
    kept.setflags(write=False)
    return kept


def _kept_box(box: Box) -> Box:
    left, top, right, bottom = (round(border, _DECIMALS) for border in box)
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise ConfigError(
            f"A box is (left, top, right, bottom) in fractions of the image, with left < right and top < bottom, but {box} was given."
        )
    return left, top, right, bottom


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise ConfigError(f"{name} is a share in [0, 1], but {share} was given.")


def _joined(common: str, own: str) -> str:
    return ", ".join(text for text in (common, own) if text)
