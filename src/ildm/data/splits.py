"""What each split may contain, decided by hashes alone, so that a split is the same on every machine and for every seed.

train                 trained styles; neither a held-out (concept, style) pair nor a held-out pair of concepts
unseen_scene          like train, other scenes
unseen_pair           every scene shows a concept in the one style that training never shows it in
unseen_concept_pair   every scene shows two concepts that training never shows together
unseen_style          held-out styles only
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ildm.data.concepts import Concept, all_concepts
from ildm.data.styles import TRAINED_STYLES

Split = Literal["train", "unseen_scene", "unseen_pair", "unseen_concept_pair", "unseen_style"]
SPLITS: tuple[Split, ...] = ("train", "unseen_scene", "unseen_pair", "unseen_concept_pair", "unseen_style")

_STYLE_PERCENT = 20  # concepts that lose one style to unseen_pair
_TOGETHER_PERCENT = 5  # pairs of concepts that never meet in training


@cache
def held_out_style(concept: Concept) -> str | None:
    """The one style in which training never shows `concept`; None for most concepts."""
    number = _number(f"style:{concept.code}")
    if number % 100 >= _STYLE_PERCENT:
        return None
    return TRAINED_STYLES[number // 100 % len(TRAINED_STYLES)]


def is_held_out_together(first: Concept, second: Concept) -> bool:
    """Whether training never shows these two concepts in one scene."""
    return bool(_held_out_together()[first.index, second.index])


def partners(concept: Concept) -> NDArray[np.intp]:
    """The table indices of the concepts that training never shows together with `concept`."""
    return np.flatnonzero(_held_out_together()[concept.index])


@cache
def _held_out_together() -> NDArray[np.bool_]:
    numbers = np.array([_number(f"together:{concept.code}") for concept in all_concepts()], dtype=np.uint64)
    mixed = numbers[:, None] ^ numbers[None, :]
    # a 64-bit finaliser (Steele 2014, SplitMix64): every bit of the pair reaches the remainder
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    table = mixed % np.uint64(100) < _TOGETHER_PERCENT
    np.fill_diagonal(table, False)
    return table


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
