"""Boxes as a prompt: which things there are and where, in words a person can type and tokens a network can read.

Rombach 2022, section 4.3.1 and appendix E.2.2: three tokens for each thing (its class, its top left and its bottom right corner on a
grid), then two for the crop that is looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ildm.conditioning.conditioner import NAMES_LISTED, Conditioner
from ildm.conditioning.grounding import NOTHING, Grounding
from ildm.conditioning.prompt import escape
from ildm.conditioning.text import TextEncoder, TextEncoderConfig
from ildm.core.errors import ConfigError, nearest
from ildm.core.masks import Grid
from ildm.core.sinusoidal import sinusoidal
from ildm.core.types import Conditioning

Box = tuple[float, float, float, float]
_PLACED = re.compile(r"^(?P<label>.+?)((?:\s+[-+]?[\d.]+(?:e-?\d+)?){4})$", re.IGNORECASE)


_MOST_DIGITS = 300


class Placed(NamedTuple):
    """A thing and where it is: (left, top, right, bottom) as fractions of the picture's sides."""

    label: str
    box: Box


def layout_text(things: Sequence[Placed]) -> str:
    """Boxes as a prompt: `fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9`."""
    return "; ".join(f"{thing.label} {' '.join(f'{number:.6g}' for number in thing.box)}" for thing in things)


def layout_prompt(things: Sequence[Placed]) -> str:
    """The same with brackets in names escaped, for `Model.generate` and everything else that reads prompt syntax."""
    return escape(layout_text(things))


def read_layout(text: str) -> tuple[Placed, ...]:
    """The boxes of a prompt, checked but for their classes.

    Raises:
        ConfigError: when a part is no name with four numbers, or a box is empty or leaves the picture.
    """
    return tuple(_read(part.strip()) for part in text.split(";") if part.strip())


def layout_from_json(text: str, source: str) -> tuple[Placed, ...]:
    """The boxes of a JSON list of `{"label": "fox", "box": [left, top, right, bottom]}`, fractions of the picture's sides.

    Args:
        source: how to call it in a sentence.

    Raises:
        ConfigError: when it is something else.
    """
    try:
        rows = json.loads(text, parse_int=_whole)
        if not isinstance(rows, list):
            raise TypeError("it is no list")
        things = [Placed(str(row["label"]), tuple(float(number) for number in row["box"])) for row in rows]  # type: ignore[arg-type]
        if any(len(thing.box) != 4 for thing in things):
            raise ValueError("a box has four numbers")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ConfigError(
            f'{source} holds no boxes ({reason}): it is a JSON list such as [{{"label": "fox", "box": [0.1, 0.2, 0.5, 0.6]}}], '
            "left, top, right and bottom as fractions of the picture's sides."
        ) from error
    for thing in things:
        _check(thing)
    return tuple(things)


@dataclass(frozen=True, kw_only=True)
class LayoutConfig:
    """The graph of the layout encoder.

    Args:
        names: of the classes; filled in from the data when a run begins.
        max_objects: how many boxes there can be; the paper's 30 give 92 tokens.
        grid: rows and columns that corners are rounded to; a token for each point.
        width, depth, num_heads: of the transformer over the tokens.
        pooled: also give the average token, for the network's time embedding.
    """

    names: tuple[str, ...] = ()
    max_objects: int = 8
    grid: int = 90
    width: int = 128
    depth: int = 3
    num_heads: int = 4
    pooled: bool = True

    def __post_init__(self) -> None:
        if min(self.max_objects, self.grid - 1, self.width, self.depth, self.num_heads) < 1 or self.width % self.num_heads:
            raise ConfigError(
                "A layout encoder has max_objects, width, depth and num_heads of at least 1, a grid of at least 2 and num_heads that "
                f"divide the width, but {self.max_objects}, {self.width}, {self.depth}, {self.num_heads} and {self.grid} were given."
            )

    @property
    def num_tokens(self) -> int:
        """Three for each box and two for the crop."""
        return 3 * self.max_objects + 2

    @property
    def vocabulary_size(self) -> int:
        """Points of the grid, "none", then the classes."""
        return self.grid**2 + 1 + len(self.names)


class LayoutTokens:
    """Boxes to token numbers and back, exactly on the grid."""

    def __init__(self, config: LayoutConfig) -> None:
        self.config = config
        self._none = config.grid**2
        self._numbers = {name.lower(): number for number, name in reversed(list(enumerate(config.names)))}

    def encode(self, things: Sequence[Placed], crop: Box = (0.0, 0.0, 1.0, 1.0)) -> list[int]:
        """`num_tokens` numbers.

        Args:
            crop: the part of the whole that is looked at.

        Raises:
            ConfigError: for a class that is not known (nearest match named), too many boxes, or a box outside the picture.
        """
        if len(things) > self.config.max_objects:
            raise ConfigError(
                f"This model takes up to {self.config.max_objects} boxes, but {len(things)} were given: leave some out."
            )
        tokens: list[int] = []
        for thing in things:
            _check(thing)
            number = self._numbers.get(thing.label.strip().lower())
            if number is None:
                known = nearest(thing.label, self.config.names, listed=NAMES_LISTED)
                raise ConfigError(f"This model does not know {thing.label!r}: {known}")
            tokens += [self._none + 1 + number, *self._corners(thing.box)]
        tokens += [self._none] * (self.config.num_tokens - 2 - len(tokens))
        return [*tokens, *self._corners(crop)]

    def decode(self, tokens: Sequence[int]) -> tuple[Placed, ...]:
        """The boxes of token numbers, their corners on the grid."""
        things = []
        for place in range(0, self.config.num_tokens - 2, 3):
            label, first, last = tokens[place : place + 3]
            if label > self._none:
                things.append(Placed(self.config.names[label - self._none - 1], (*self._point(first), *self._point(last))))
        return tuple(things)

    def ground(self, tokens: Int[Tensor, "batch tokens"], grid: Grid) -> Grounding:
        """What the tokens name and what lies where: boxes, numbered from 1; a place belongs to the smallest that its middle is in.

        Args:
            grid: (rows, columns).
        """
        most, boxes = self.config.grid - 1, self.config.max_objects
        things = tokens[:, : 3 * boxes].unflatten(1, (boxes, 3))  # (B, n, 3)
        numbers = torch.arange(1, boxes + 1, device=tokens.device)  # (n,)
        real = things[..., 0] > self._none  # (B, n)
        points = things[..., 1:, None]  # (B, n, 2, 1)
        corners = torch.cat([points // self.config.grid, points % self.config.grid], dim=-1) / most  # (B, n, 2, 2), y before x
        (top, left), (bottom, right) = (corners[:, :, end].unbind(-1) for end in (0, 1))
        rows, columns = ((torch.arange(count, device=tokens.device) + 0.5) / count for count in grid)
        high = (rows >= top[..., None]) & (rows <= bottom[..., None])  # (B, n, h)
        wide = (columns >= left[..., None]) & (columns <= right[..., None])  # (B, n, w)
        within = real[..., None, None] & high[..., :, None] & wide[..., None, :]  # (B, n, h, w)
        areas = ((bottom - top) * (right - left))[..., None, None].masked_fill(~within, torch.inf)
        smallest = areas.argmin(dim=1)  # (B, h, w)
        named = torch.where(real, numbers, NOTHING).repeat_interleave(3, dim=1)  # (B, 3 n)
        crop = named.new_full((len(tokens), tokens.shape[1] - 3 * boxes), NOTHING)
        return Grounding(torch.cat([named, crop], dim=1), torch.where(within.any(dim=1), numbers[smallest], NOTHING))

    def _corners(self, box: Box) -> tuple[int, int]:
        most = self.config.grid - 1
        left, top, right, bottom = (round(side * most) for side in box)
        return top * self.config.grid + left, bottom * self.config.grid + right

    def _point(self, token: int) -> tuple[float, float]:
        most = self.config.grid - 1
        row, column = divmod(token, self.config.grid)
        return column / most, row / most


class LayoutConditioner(Conditioner):
    """A prompt is a layout, `fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9`; the empty one is the unconditional one."""

    kind: ClassVar[str] = "layout"
    Config: ClassVar[type[LayoutConfig]] = LayoutConfig

    def __init__(self, config: LayoutConfig) -> None:
        super().__init__()
        self.config = config
        self.tokens = LayoutTokens(config)
        graph = TextEncoderConfig(
            width=config.width, depth=config.depth, num_heads=config.num_heads, max_tokens=config.num_tokens
        )
        self.encoder = TextEncoder(graph, config.vocabulary_size)
        points = self.encoder.token_embedding.weight.data[: config.grid**2]
        # so that what is learned of one point holds near it, too: there are thousands of them
        points.copy_(_waves(config) * points.std())

    def forward(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:  # noqa: ARG002
        """The context of layouts, (batch, num_tokens, width), and the pooled vector when configured.

        Raises:
            ConfigError: for a prompt that is no layout this model can draw.
        """
        tokens = self._numbers(prompts)
        context = self.encoder(tokens, torch.ones_like(tokens, dtype=torch.bool))
        return Conditioning(context=context, pooled=context.mean(dim=1) if self.config.pooled else None)

    def ground(self, prompts: Sequence[str], grid: Grid) -> Grounding:
        """What the tokens of layouts name, and which box each place of a latent is in; see `LayoutTokens.ground`."""
        return self.tokens.ground(self._numbers(prompts), grid)

    def _numbers(self, prompts: Sequence[str]) -> Int[Tensor, "batch tokens"]:
        rows = [self.tokens.encode(read_layout(prompt)) for prompt in prompts]
        return torch.tensor(rows, device=self.encoder.position_embedding.device)

    @classmethod
    def restore(cls, config: Any, folder: Path) -> Self:  # noqa: ARG003 - nothing lies there
        """The conditioner of a configuration, which is all there is to it but the weights."""
        return cls(config)

    def write_files(self, folder: Path) -> None:
        """Nothing: the configuration says it all."""


def _waves(config: LayoutConfig) -> Float[Tensor, "points width"]:
    """Each point's row and column as sines and cosines, of mean 0 and standard deviation 1 over all points."""
    half = config.width // 4 * 2
    waves = sinusoidal(torch.arange(config.grid).float(), half) if half else torch.zeros(config.grid, 0)
    rows, columns = waves[:, None].expand(-1, config.grid, -1), waves[None].expand(config.grid, -1, -1)
    both = F.pad(torch.cat([rows, columns], dim=-1).flatten(0, 1), (0, config.width - 2 * half))
    both = both - both.mean(dim=0)
    return both / both.std().clamp(min=1e-6)


def _read(part: str) -> Placed:
    found = _PLACED.match(part)
    try:
        if found is None:
            raise ValueError
        numbers = [float(number) for number in found[2].split()]
    except ValueError:
        raise ConfigError(
            f"{part!r} is no box: a layout reads `fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9`, a name and its left, top, right and bottom "
            "as fractions of the picture's sides."
        ) from None
    thing = Placed(found["label"], (numbers[0], numbers[1], numbers[2], numbers[3]))
    _check(thing)
    return thing


def _whole(digits: str) -> float:
    """A whole number, or infinity where there are more digits than a float or Python can read."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _check(thing: Placed) -> None:
    left, top, right, bottom = thing.box
    named = f"The box of {thing.label!r}, {' '.join(f'{side:g}' for side in thing.box)},"
    if not all(0.0 <= side <= 1.0 for side in thing.box):
        raise ConfigError(
            f"{named} leaves the picture: left, top, right and bottom are fractions of its sides, within 0 and 1."
        )
    if right <= left or bottom <= top:
        raise ConfigError(f"{named} is empty: right lies right of left, and bottom below top.")
