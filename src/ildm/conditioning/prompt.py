r"""AUTOMATIC1111's prompt syntax: words that come and go while an image is drawn, weighted words, composed prompts.

A prompt is read in this order: `split_and` into prompts drawn together, `schedule` into the text of each step, `weights` into
the words of a text. Reading never fails, whatever was typed. Everywhere a backslash makes the character after it plain text, so
`\(` is a bracket, `\\` a backslash and `\BREAK` a word; it stays in place until `weights` takes it out.

Time and memory grow with the length of a prompt, not with how deep its brackets lie: nothing here calls itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from ildm.core.errors import ConfigError

WeightedText = list[tuple[str, float]]
"""Stretches of plain text with what they weigh, in order."""

_FACTORS = {"(": 1.1, "[": 1 / 1.1}

_LARGEST_WEIGHT = 3e38
"""Weights end here, so that ten thousand brackets still make a number that single precision can hold."""

_WEIGHT = r"\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+))\s*"
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")
_SCHEDULE_MARK = re.compile(r"\\.|[\[\]():|]", re.DOTALL)
_WEIGHT_MARK = re.compile(rf"\\(?P<escaped>.?)|:{_WEIGHT}\)|[()\[\]]|\bBREAK\b", re.DOTALL)
_WEIGHT_AT_END = re.compile(rf"\\.|:{_WEIGHT}\Z", re.DOTALL)
_TO_ESCAPE = re.compile(rf"[\\()\[\]]|\b(?:BREAK|AND)\b|:(?={_WEIGHT}\Z)")


def schedule(text: str, num_steps: int) -> list[tuple[int, str]]:
    """The texts of a run: `[from:to:when]`, `[to:when]`, `[from::when]` change once, `[a|b]` at every step.

    `when` below 1 is a fraction of the steps, rounded down, otherwise the number of the last step with `from`. At 0 or less `to`
    is there from the first step; at `num_steps` or more it never comes. Changes nest.

    What does not parse is plain text, and what lies inside or beside it still acts: a bracket without a partner, a pair with too
    many colons (more than two, in round brackets one) or with a `when` that is no number, and every pair around any of these.
    A `|` is plain text outside square brackets, and inside those that have a `when`.

    Args:
        num_steps: >= 1.

    Returns:
        (the last step with this text, counted from 1; the text) with rising steps, the last of them `num_steps`. There is an
        entry for every step at which something may change, be its text a new one or not.

    Raises:
        ConfigError: when there is no step.
    """
    if num_steps < 1:
        raise ConfigError(f"A prompt is read for at least one step, but num_steps {num_steps} was given.")
    turns = _read_turns(text, num_steps)
    steps = {num_steps, *(turn.when for turn in turns.values() if turn.when)}
    if any(turn.when is None and len(turn.targets) > 1 for turn in turns.values()):
        steps.update(range(1, num_steps + 1))
    marks = sorted(turns)
    starts = [0, *(mark + 1 for mark in marks)]
    stretches = [text[start:end] for start, end in zip(starts, [*marks, len(text)], strict=True)]
    numbers = {start: number for number, start in enumerate(starts)}
    routes = [_Turn(tuple(numbers[target] for target in turns[mark].targets), turns[mark].when) for mark in marks]
    return [(step, _text_at(step, stretches, routes)) for step in sorted(steps)]


def weights(text: str) -> WeightedText:
    """The words of a text with what they weigh: `(word)` 1.1, `(word:1.3)` 1.3, `[word]` 1 / 1.1; nested ones are multiplied.

    An unclosed `(` or `[` applies to the end; a `)` or `]` that closes nothing is plain text, and so is `:1.3)`. Round and
    square brackets are matched apart, so they may cross. A backslash with nothing behind it is left out.

    Returns:
        (text, weight) in order, runs of equal weight joined; ("", 1.0) alone when there is no text. `BREAK` as a word of its
        own is an entry ("BREAK", -1.0) inside brackets too, and the spaces around it are gone.
    """
    entries: WeightedText = []
    for number, part in enumerate(weighted_parts(text)):
        entries += [("BREAK", -1.0), *part] if number else part
    return entries or [("", 1.0)]


def weighted_parts(text: str) -> list[WeightedText]:
    """The parts of a text between `BREAK`s, at least one, each as `weights` reads it; one without text is an empty list."""
    marks = list(_WEIGHT_MARK.finditer(text))
    brackets = _read_brackets(marks)
    first, *stretches = _stretches_between(marks, text)
    sections = [[(first, 1.0)]]
    products = {"(": [1.0], "[": [1.0]}
    for place, (mark, stretch) in enumerate(zip(marks, stretches, strict=True)):
        literal = ""
        if place in brackets:
            factor, product = brackets[place], products["(" if mark[0][-1] in "()" else "["]
            if factor is None:
                product.pop()
            else:
                product.append(max(-_LARGEST_WEIGHT, min(product[-1] * factor, _LARGEST_WEIGHT)))
        elif mark[0] == "BREAK":
            sections.append([])
        else:
            literal = mark[0] if mark["escaped"] is None else mark["escaped"]
        sections[-1].append((literal + stretch, products["("][-1] * products["["][-1]))
    parts: list[WeightedText] = []
    for section in sections:
        written = [piece for piece in section if piece[0]]
        parts.append([("".join(words for words, _ in run), weight) for weight, run in groupby(written, key=itemgetter(1))])
    return parts


def literal(text: str) -> list[WeightedText]:
    """A text taken as it stands, brackets and all, in the form of `weighted_parts`."""
    return [[(text, 1.0)]]


def words_of(part: WeightedText) -> str:
    """A part without its weights."""
    return "".join(words for words, _ in part)


def plain_text(text: str) -> str:
    """The words of a text without their weights; a `BREAK` is a space."""
    return " ".join(words_of(part) for part in weighted_parts(text))


def split_break(text: str) -> list[str]:
    """The parts of a prompt between `BREAK`s, at least one, without the spaces around them. Brackets do not hold a part together."""
    return [part.strip() for part in _split_at("BREAK", text)]


def split_and(text: str) -> list[tuple[str, float]]:
    """The prompts that `AND` composes, at least one, with the weight behind each: `a cat :1.2 AND a dog` is a cat 1.2, a dog 1.

    Spaces around a prompt and its weight are left out. A weight is one without an `AND` too; brackets do not hold a prompt together.
    """
    composed: list[tuple[str, float]] = []
    for part in _split_at("AND", text):
        found = next((mark for mark in _WEIGHT_AT_END.finditer(part) if mark[1]), None)
        if found is None:
            composed.append((part.strip(), 1.0))
        else:
            weight = max(-_LARGEST_WEIGHT, min(float(found[1]), _LARGEST_WEIGHT))
            composed.append((part[: found.start()].strip(), weight))
    return composed


def escape(text: str) -> str:
    """A prompt that means the text itself: `weights` gives it back whole, and no other function here finds anything to act on."""
    return _TO_ESCAPE.sub(r"\\\g<0>", text)


@dataclass(frozen=True)
class _Turn:
    """A mark at which reading goes on elsewhere: its place in the text, and later the stretch of plain text that begins there.

    Args:
        targets: one for each alternative, always right behind a mark that is a turn too.
        when: the last step that takes the first of two targets; None = one after the other, a step each.
    """

    targets: tuple[int, ...]
    when: int | None = None


@dataclass
class _Pair:
    """A bracket that waits for its partner, and the marks seen since that belong to no pair inside."""

    opening: int
    bracket: str
    colons: list[int] = field(default_factory=list[int])
    bars: list[int] = field(default_factory=list[int])


def _read_turns(text: str, num_steps: int) -> dict[int, _Turn]:
    """Where the changing parts of a prompt begin, part and end, by place in the text."""
    turns: dict[int, _Turn] = {}
    waiting: list[_Pair] = []
    for found in _SCHEDULE_MARK.finditer(text):
        place, mark = found.start(), found[0]
        if mark in ("(", "["):
            waiting.append(_Pair(place, mark))
        elif not waiting:
            continue
        elif mark == ":":
            waiting[-1].colons.append(place)
        elif mark == "|":
            waiting[-1].bars.append(place)
        elif mark in (")", "]"):
            made = _turns_of(waiting.pop(), place, text, num_steps)
            if made is None:
                # plain brackets here are brackets without a partner to every pair around them
                waiting.clear()
            else:
                turns |= made
    return turns


def _turns_of(pair: _Pair, closing: int, text: str, num_steps: int) -> dict[int, _Turn] | None:
    """The turns of one pair of brackets, none where it only weighs; None when it does not parse."""
    opening, colons, bars = pair.opening, pair.colons, pair.bars
    if pair.bracket == "(" or text[closing] == ")":
        return {} if pair.bracket == "(" and text[closing] == ")" and len(colons) <= 1 else None
    leave = _Turn((closing + 1,))
    if not colons:
        choose = _Turn((opening + 1, *(bar + 1 for bar in bars)))
        return {opening: choose, **dict.fromkeys([*bars, closing], leave)} if bars else {}
    number = _WHEN.fullmatch(text, colons[-1] + 1, closing)
    if len(colons) > 2 or number is None:
        return None
    when = float(number[1])
    when = int(max(0, min(when * num_steps if when < 1 else when, num_steps)))
    before, after = (opening, colons[0]) if len(colons) == 2 else (closing, opening)
    return {opening: _Turn((before + 1, after + 1), when), **dict.fromkeys([*colons, closing], leave)}


def _text_at(step: int, stretches: list[str], turns: list[_Turn]) -> str:
    """The stretches that one step passes; behind each but the last is a turn, whose targets are numbers of stretches."""
    passed: list[str] = []
    number = 0
    while number < len(turns):
        passed.append(stretches[number])
        targets, when = turns[number].targets, turns[number].when
        number = targets[(step - 1) % len(targets) if when is None else step > when]
    return "".join([*passed, stretches[number]])


def _read_brackets(marks: list[re.Match[str]]) -> dict[int, float | None]:
    """What the brackets among the marks do, by number of the mark: an opening one multiplies, a closing one (None) ends that.

    One that is missing here is plain text.
    """
    brackets: dict[int, float | None] = {}
    waiting: dict[str, list[int]] = {"(": [], "[": []}
    for place, mark in enumerate(marks):
        if mark[0] in waiting:
            waiting[mark[0]].append(place)
            brackets[place] = _FACTORS[mark[0]]
        elif mark["escaped"] is None and mark[0] != "BREAK":
            openings = waiting["(" if mark[0].endswith(")") else "["]
            if openings:
                opening = openings.pop()
                brackets[place] = None
                if mark[2]:
                    brackets[opening] = float(mark[2])
    return brackets


def _stretches_between(marks: list[re.Match[str]], text: str) -> list[str]:
    """The text before the first mark, between two and behind the last, without the spaces that touch a BREAK."""
    starts, ends = [0, *(mark.end() for mark in marks)], [*(mark.start() for mark in marks), len(text)]
    stretches = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    for place, mark in enumerate(marks):
        if mark[0] == "BREAK":
            stretches[place] = stretches[place].rstrip()
            stretches[place + 1] = stretches[place + 1].lstrip()
    return stretches


def _split_at(word: str, text: str) -> list[str]:
    parts, start = list[str](), 0
    for found in re.finditer(rf"\\.|\b{word}\b", text, re.DOTALL):
        if found[0] == word:
            parts.append(text[start : found.start()])
            start = found.end()
    return [*parts, text[start:]]
