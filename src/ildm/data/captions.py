"""What is said of a scene: one full wording first, then looser ones such as a person would type."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ildm.data.backgrounds import Background
from ildm.data.concepts import Concept, bare, determiner
from ildm.data.layout import Relation, relation
from ildm.data.sample import Box
from ildm.data.styles import STYLES

_RELATION_WORDS: dict[Relation, tuple[str, str]] = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
_PICTURES = ("picture", "drawing", "emoji")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One object of a scene, as captions see it.

    Args:
        phrases: every way to speak of the concept, with articles; the first follows its label.
    """

    concept: Concept
    phrases: tuple[str, ...]
    style: str
    box: Box


def write_captions(rng: random.Random, placed: list[Placed], background: Background, count: int) -> tuple[str, ...]:
    """At most `count` different wordings of one scene; the first is always the full one."""
    wordings = [full_caption(placed, background)]
    wordings += [_loose_caption(rng, placed, background) for _ in range(count - 1)]
    return tuple(dict.fromkeys(wordings))


def full_caption(placed: list[Placed], background: Background) -> str:
    """Everything that is known of a scene: "a cat to the left of a dog on a plain green background, flat style"."""
    styles = {one.style for one in placed}
    mixed = len(styles) > 1
    phrases = [_styled(one.phrases[0], one.style) if mixed else one.phrases[0] for one in placed]
    text = f"{_related(phrases, _relations(placed), 0)} on {background.wordings[0]}"
    return text if mixed else f"{text}, {styles.pop()} style"


def _loose_caption(rng: random.Random, placed: list[Placed], background: Background) -> str:
    order = placed[::-1] if rng.random() < 0.4 else placed
    articles = rng.random() < 0.75
    phrases = [_phrase(rng, one.phrases, articles) for one in order]
    style = None
    if rng.random() < 0.5:
        if len({one.style for one in order}) > 1:
            phrases = [_styled(phrase, one.style) for phrase, one in zip(phrases, order, strict=True)]
        else:
            style = _pick(rng, STYLES[order[0].style].words)
    relations = _relations(order) if rng.random() < 0.85 else [None] * (len(order) - 1)
    subject = _related(phrases, relations, int(rng.random() * 2))
    behind = _behind(rng, background, articles) if rng.random() < 0.75 else ""
    return _in_style(rng, subject, behind, style)


def _phrase(rng: random.Random, phrases: tuple[str, ...], articles: bool) -> str:
    # the label half of the time, so that no synonym outweighs it
    phrase = phrases[0] if rng.random() < 0.5 else _pick(rng, phrases)
    return phrase if articles else bare(phrase)


def _behind(rng: random.Random, background: Background, articles: bool) -> str:
    wording = _pick(rng, background.wordings)
    if rng.random() < 0.3:
        return f", {bare(wording)}"
    return f" on {wording if articles else bare(wording)}"


def _in_style(rng: random.Random, subject: str, behind: str, style: str | None) -> str:
    manner = rng.random()
    picture = _pick(rng, _PICTURES)
    if style is None:
        article = "an" if picture == "emoji" else "a"
        return f"{article} {picture} of {subject}{behind}" if manner < 0.1 else f"{subject}{behind}"
    if manner < 0.25:
        return f"{_styled(subject, style)}{behind}"
    if manner < 0.5:
        return f"{style} {picture} of {subject}{behind}"
    return f"{subject}{behind}, {style} style" if manner < 0.75 else f"{subject}{behind} in {style} style"


def _styled(phrase: str, style: str) -> str:
    """ "an apple" in the style "flat" is "a flat apple"; "some bread" is "some flat bread"."""
    article = determiner(phrase)
    if article in ("a", "an"):
        article = "an" if style[0] in "aeiou" else "a"
    return f"{article} {style} {bare(phrase)}".lstrip()


def _relations(placed: Sequence[Placed]) -> Sequence[Relation | None]:
    return [relation(first.box, second.box) for first, second in pairwise(placed)]


def _related(phrases: list[str], relations: Sequence[Relation | None], wording: int) -> str:
    """ "a cat to the left of a dog, and an owl", or "a cat, a dog and an owl" where the first two are not clearly apart."""
    if len(phrases) == 1 or relations[0] is None:
        return _listed(phrases)
    pair = f"{phrases[0]} {_RELATION_WORDS[relations[0]][wording]} {phrases[1]}"
    return pair if len(phrases) == 2 else f"{pair}, and {_listed(phrases[2:])}"


def _listed(phrases: list[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _pick(rng: random.Random, choices: tuple[str, ...]) -> str:
    return choices[int(rng.random() * len(choices))]
