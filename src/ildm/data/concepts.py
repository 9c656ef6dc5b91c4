"""The 861 things that can stand in a scene, and how to speak of them.

The table holds every emoji of emojibase's groups animals and nature, food and drink, travel and places, activities, and
objects (labels of emojibase-data 17.0.0, MIT), without flags and skin tones. Each row's noun phrases are written out, so
no rule ever has to guess "an hourglass", "some bread" or "a pair of scissors".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ildm.core.errors import ConfigError, nearest

GROUPS = ("animals and nature", "food and drink", "travel and places", "activities", "objects")
_DETERMINER = re.compile(r"^(a pair of|an|a|some|the|two) ")


@dataclass(frozen=True, kw_only=True)
class Concept:
    """One thing that can be drawn.

    Args:
        index: its place in the table, from 0; the semantic map holds `index + 1`.
        code: Unicode code points in lower-case hexadecimal, joined by "-".
        label: emojibase's English name.
        group: one of `GROUPS`.
        mirrors: False where a mirror image would be wrong (letters, clocks, charts, signs that point).
        phrases: noun phrases with their articles; the first follows the label, the others are synonyms.
        alone: phrases that fit only where no other concept answers to them: "a cat" for the cat face where there is no cat.
    """

    index: int
    code: str
    label: str
    group: str
    mirrors: bool
    phrases: tuple[str, ...]
    alone: tuple[str, ...] = ()

    @property
    def phrase(self) -> str:
        """The noun phrase that follows the label: "a red apple", "some bread"."""
        return self.phrases[0]


def bare(phrase: str) -> str:
    """A noun phrase without its article: "red apple", "bread", "scissors"."""
    return _DETERMINER.sub("", phrase)


def determiner(phrase: str) -> str:
    """The article of a noun phrase: "a", "some", "a pair of"; empty where it has none."""
    found = _DETERMINER.match(phrase)
    return found[1] if found else ""


@cache
def all_concepts() -> tuple[Concept, ...]:
    """Every concept, in the order of the Unicode emoji charts."""
    text = files("ildm.data").joinpath("concepts.tsv").read_text(encoding="utf-8")
    return tuple(_read_row(index, line.split("\t")) for index, line in enumerate(text.splitlines()[1:]))


@cache
def concepts_by_label() -> dict[str, Concept]:
    """Every concept by its label."""
    return {concept.label: concept for concept in all_concepts()}


def find_concepts(labels: Sequence[str] | None) -> tuple[Concept, ...]:
    """The concepts with these labels, in table order; None = all.

    Raises:
        ConfigError: for a label that is not in the table (nearest match named).
    """
    if labels is None:
        return all_concepts()
    known = concepts_by_label()
    for label in labels:
        if label not in known:
            raise ConfigError(f"Unknown concept {label!r}: {nearest(label, known)}")
    return tuple(sorted({known[label] for label in labels}, key=lambda concept: concept.index))


def phrases_among(concepts: Sequence[Concept]) -> dict[Concept, tuple[str, ...]]:
    """Every way to speak of each concept when only these may be meant; the first follows the label."""
    spoken = Counter(phrase for concept in concepts for phrase in (*concept.phrases, *concept.alone))
    return {concept: (*concept.phrases, *(phrase for phrase in concept.alone if spoken[phrase] == 1)) for concept in concepts}


def _read_row(index: int, row: list[str]) -> Concept:
    code, group, label, mirror, phrases, alone = row
    return Concept(
        index=index,
        code=code,
        label=label,
        group=group,
        mirrors=mirror == "yes",
        phrases=tuple(phrases.split("; ")),
        alone=tuple(alone.split("; ")) if alone else (),
    )
