"""Prompts of different lengths in one batch: each is encoded in as many windows as it needs, so that it does not depend on the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ildm.conditioning.prompt import WeightedText
from ildm.core.types import Conditioning

Parts = Sequence[WeightedText]
"""A prompt cut at its `BREAK`s."""


def encode_alike(
    prompts: Sequence[Parts], count: Callable[[Parts], int], encode: Callable[[Sequence[Parts]], Conditioning]
) -> Conditioning:
    """The conditioning of prompts, those of as many windows encoded together. Where lengths differ, shorter contexts end in masked tokens.

    Args:
        count: how many windows a prompt needs.
        encode: of prompts with as many windows each.
    """
    alike: dict[int, list[int]] = {}
    for place, prompt in enumerate(prompts):
        alike.setdefault(count(prompt), []).append(place)
    if len(alike) <= 1:
        return encode(prompts)
    encoded: dict[int, Conditioning] = {}
    for places in alike.values():
        together = encode([prompts[place] for place in places])
        encoded |= {place: together[row : row + 1] for row, place in enumerate(places)}
    return Conditioning.cat([encoded[place] for place in range(len(prompts))])
