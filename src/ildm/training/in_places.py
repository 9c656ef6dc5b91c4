"""Words read only in their places: in a share of the steps, each thing's words act where it lies alone, as those of painted regions do.

A network that has read every caption everywhere decides what lies where by all words at once, so the things of several regions run together
into one. Here it learns what regions ask of it, by the same attention that draws them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ildm.conditioning.grounding import NOTHING, Mention
from ildm.conditioning.regions import coverage
from ildm.conditioning.text import TextConditioner
from ildm.core.regions import Regions
from ildm.core.share import WHOLE, Share
from ildm.core.types import Conditioning
from ildm.data.concepts import determiner
from ildm.data.mentions import Mentions
from ildm.data.styles import STYLES

_WHOLE_SCENE = 0.3  # share of the scenes whose ground says all that there is
_BEHIND_TOO = 0.15  # share of the things whose words also say what is behind them
_LARGEST_ARTICLE = 3  # words
_STYLES = "|".join(sorted((word for style in STYLES.values() for word in style.words), key=len, reverse=True))
_STYLE_BEFORE = re.compile(rf"(?<!\w)(?:{_STYLES}) $")
_STYLE_BEHIND = re.compile(rf"(?:,| in) (?:{_STYLES}) style$")


class Spoken(NamedTuple):
    """What is said where.

    Args:
        texts: of the ground, then of each thing.
        numbers: of the things in the map.
    """

    texts: tuple[str, ...]
    numbers: tuple[int, ...]


class InPlaces:
    """Makes conditionings of captions and maps, in which every place reads only the words for what lies there.

    The ground reads what a caption says behind its last thing, or all of it. A caption that leaves out something that its map shows is
    read everywhere, as ever.

    Args:
        mentions: finds in captions the numbers of maps.
    """

    def __init__(self, mentions: Mentions) -> None:
        self._mentions = mentions

    def __call__(
        self,
        conditioner: TextConditioner,
        captions: Sequence[str],
        maps: Int[Tensor, "batch height width"],
        generator: torch.Generator,
        share: Share = WHOLE,
    ) -> Conditioning:
        """The conditioning of a batch.

        Args:
            maps: the number of what fills each cell.
            generator: of the shapes that are painted and of what the ground says.
            share: which part of the step's whole batch this is.
        """
        seeds = share.of(torch.randint(2**31, (share.count * len(captions),), generator=generator)).tolist()
        dice = [random.Random(seed) for seed in seeds]
        spoken = [self.tell_apart(*each) for each in zip(captions, maps, dice, strict=True)]
        areas = [paint_areas(told, cells, each) for told, cells, each in zip(spoken, maps, dice, strict=True)]
        return bind(conditioner, [told.texts for told in spoken], areas)

    def tell_apart(self, caption: str, cells: Int[Tensor, "height width"], dice: random.Random) -> Spoken:
        """What the ground and each thing of one picture read; the ground alone where a thing has no words."""
        shown = [number for number in cells.unique().tolist() if number != NOTHING]
        found = self._mentions.find(caption, shown)
        words: dict[int, str] = {}
        for mention in found:
            words.setdefault(mention.number, name_with_article(caption, mention))
        if not shown or words.keys() != set(shown):
            return Spoken((caption,), ())
        behind = caption[found[-1].end :]
        ground = caption if dice.random() < _WHOLE_SCENE else behind.strip(" ,").removeprefix("on ").removeprefix("in ")
        style = _STYLE_BEHIND.search(behind)
        manner = "" if style is None else style[0]
        things = (text + (behind if dice.random() < _BEHIND_TOO else manner) for text in words.values())
        return Spoken((ground, *things), tuple(words))


def name_with_article(caption: str, mention: Mention) -> str:
    """What names a thing, with its style and the article right before that: "a flat owl", "a pair of scissors"."""
    style = _STYLE_BEFORE.search(caption[: mention.start])
    start = mention.start if style is None else style.start()
    thing, before = caption[start : mention.end], caption[:start].split()
    for count in range(min(_LARGEST_ARTICLE, len(before)), 0, -1):
        article = " ".join(before[-count:])
        if determiner(f"{article} {thing}") == article:
            return f"{article} {thing}"
    return thing


def paint_areas(spoken: Spoken, cells: Int[Tensor, "height width"], dice: random.Random) -> Float[Tensor, "texts height width"]:
    """How much each text counts where; the shares sum to one at every place."""
    if not spoken.numbers:
        return torch.ones(1, *cells.shape)
    return coverage(torch.stack([paint_shape(cells == number, dice) for number in spoken.numbers]), "normalise").float()


def paint_shape(cells: Bool[Tensor, "height width"], dice: random.Random) -> Float[Tensor, "height width"]:
    """What a person might paint to say that a thing lies in these cells: a box, an ellipse, hard or soft, or roughly its outline."""
    down, across = (cells.any(dim=axis).nonzero().flatten() for axis in (1, 0))
    top, bottom, left, right = (int(border) for border in (down[0], down[-1] + 1, across[0], across[-1] + 1))
    grown = [dice.random() for _ in range(4)]
    y, x = torch.meshgrid(*(torch.arange(side) + 0.5 for side in cells.shape), indexing="ij")
    v, u = _centred(y, top - grown[0], bottom + grown[1]), _centred(x, left - grown[2], right + grown[3])
    radius, kind = (u.square() + v.square()).sqrt(), dice.choice(("box", "ellipse", "soft", "outline"))
    if kind == "box":
        return ((u.abs() <= 1.0) & (v.abs() <= 1.0)).float()
    if kind == "ellipse":
        return (radius <= 1.1).float()
    if kind == "soft":
        return ((1.35 - radius) / 0.4).clamp(0.0, 1.0)
    return F.max_pool2d(cells.float()[None, None], 3, stride=1, padding=1)[0, 0]


def bind(
    conditioner: TextConditioner, texts: Sequence[Sequence[str]], areas: Sequence[Float[Tensor, "_ height width"]]
) -> Conditioning:
    """Texts bound to areas, the ground first, for a batch; see `ildm.denoiser.regional.by_attention` for one sample."""
    encoded = conditioner([text for several in texts for text in several])
    assert encoded.context is not None and encoded.context_mask is not None
    most = max(map(len, texts))
    rows = torch.tensor([sample * most + place for sample, several in enumerate(texts) for place in range(len(several))])
    rows = rows.to(encoded.context.device)

    def spread(x: Tensor) -> Tensor:
        """(texts, ...) to (batch, most, ...), zeros where a sample has fewer."""
        empty = x.new_zeros(len(texts) * most, *x.shape[1:])
        return empty.index_copy(0, rows, x).unflatten(0, (len(texts), most))

    weights = spread(torch.cat(list(areas)).to(encoded.context.device))
    pooled = None
    if encoded.pooled is not None:
        much = weights.mean(dim=(2, 3))
        # no product of matrices, which would be rounded where the network computes in bfloat16
        pooled = ((much / much.sum(dim=1, keepdim=True))[..., None] * spread(encoded.pooled)).sum(dim=1)
    regions = Regions(context=spread(encoded.context), weights=weights, context_mask=spread(encoded.context_mask))
    return Conditioning(regions=regions, pooled=pooled)


def _centred(x: Tensor, low: float, high: float) -> Tensor:
    """From -1 at the one border to 1 at the other."""
    return (2.0 * x - low - high) / (high - low)
