"""Which named colours stand along the border of an image."""

from __future__ import annotations

from collections import Counter

import torch
from jaxtyping import UInt8
from torch import Tensor

from ildm.data.backgrounds import COLOURS
from ildm.data.sample import Sample

# scenes keep this share of the side free along the border
_RING = 1 / 64
_JUDGED = ("plain", "checker", "stripes")


def background_of(sample: Sample) -> tuple[str, frozenset[str]] | None:
    """The kind and the colours of a scene's background, where its colours can be judged.

    A gradient has none: between its ends it passes colours nobody named.
    """
    kind, _, colours = sample.source.partition(": ")
    return (kind, frozenset(colours.split(", "))) if kind in _JUDGED else None


def border_colours(pixels: UInt8[Tensor, "3 height width"], count: int) -> frozenset[str]:
    """The `count` commonest of the twelve named colours along the border, each pixel read as the nearest one in RGB."""
    width = max(1, round(_RING * pixels.shape[-1]))
    inside = torch.zeros(pixels.shape[-2:], dtype=torch.bool)
    inside[width:-width, width:-width] = True
    ring = pixels[:, ~inside].T.float()
    named = torch.tensor(list(COLOURS.values()), dtype=torch.float32)
    nearest = torch.cdist(ring, named).argmin(dim=1).tolist()
    names = list(COLOURS)
    return frozenset(names[index] for index, _ in Counter(nearest).most_common(count))
