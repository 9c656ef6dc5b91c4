"""What a prompt says at a step of a run."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from ildm.conditioning.prompt import schedule, split_and

_Scheduled = tuple[tuple[int, str], ...]
"""As `ildm.conditioning.prompt.schedule` gives it."""


class Said(NamedTuple):
    """Words, with brackets that weigh them at most, and how much of the guidance they get."""

    text: str
    weight: float = 1.0


def said(prompt: str, step: int, num_steps: int) -> tuple[Said, ...]:
    """The prompts that one prompt composes by `AND`, as they read at step `step` (counted from 0) of `num_steps`.

    Without `AND` it is one, and a number at its end is part of its words.
    """
    return tuple(Said(_text_at(scheduled, step), weight) for scheduled, weight in _composed(prompt, num_steps))


def said_whole(prompt: str, step: int, num_steps: int) -> str:
    """A prompt as it reads at a step, `AND` being a word like any other."""
    return _text_at(_scheduled(prompt, num_steps), step)


def changes(prompt: str, num_steps: int) -> set[int]:
    """The steps, counted from 0, at which a prompt may begin to read otherwise; 0 is one of them."""
    whole = {until for until, _ in _scheduled(prompt, num_steps)}
    parts = {until for scheduled, _ in _composed(prompt, num_steps) for until, _ in scheduled}
    return {0, *whole, *parts} - {num_steps}


def _text_at(scheduled: _Scheduled, step: int) -> str:
    return scheduled[bisect_right(scheduled, step, key=itemgetter(0))][1]


@lru_cache(maxsize=4096)
def _composed(prompt: str, num_steps: int) -> tuple[tuple[_Scheduled, float], ...]:
    parts = split_and(prompt)
    if len(parts) == 1:
        return ((_scheduled(prompt, num_steps), 1.0),)
    return tuple((_scheduled(text, num_steps), weight) for text, weight in parts)


@lru_cache(maxsize=4096)
def _scheduled(prompt: str, num_steps: int) -> _Scheduled:
    # alternating words come again at every other step: each wording is kept once
    texts: dict[str, str] = {}
    return tuple((until, texts.setdefault(text, text)) for until, text in schedule(prompt, num_steps))
