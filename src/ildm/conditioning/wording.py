"""What a prompt says at a step of a run."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ildm.conditioning.prompt import schedule, split_and


class Said(NamedTuple):
    """Words, with brackets that weigh them at most, and how much of the guidance they get."""

    text: str
    weight: float = 1.0


def said(prompt: str, step: int, num_steps: int) -> tuple[Said, ...]:
    """The prompts that one prompt composes by `AND`, as they read at step `step` (counted from 0) of `num_steps`.

    Without `AND` it is one, and a number at its end is part of its words.
    """
    composed = split_and(prompt)
    if len(composed) == 1:
        return (Said(said_whole(prompt, step, num_steps)),)
    return tuple(Said(said_whole(text, step, num_steps), weight) for text, weight in composed)


def said_whole(prompt: str, step: int, num_steps: int) -> str:
    """A prompt as it reads at a step, `AND` being a word like any other."""
    return next(text for until, text in _scheduled(prompt, num_steps) if until > step)


@lru_cache(maxsize=256)
def _scheduled(prompt: str, num_steps: int) -> tuple[tuple[int, str], ...]:
    return tuple(schedule(prompt, num_steps))
