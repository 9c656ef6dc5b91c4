"""Where in a prompt a word stands."""

from __future__ import annotations

import re

from ildm.conditioning.prompt import WeightedText, escape, weighted_parts, words_of
from ildm.core.errors import ConfigError

MARKED = 2.0
"""What the letters of the word weigh in `marked`; all others weigh 1."""


def stands_in(prompt: str, word: str) -> bool:
    """Whether a word, or some that stand together, is in a prompt as such."""
    return bool(word.strip()) and any(_alone(word).search(words_of(part)) for part in weighted_parts(prompt))


def marked(prompt: str, word: str) -> list[WeightedText]:
    """The parts of a prompt with every place of a word marked by its weight, and all other weights gone.

    Args:
        prompt: in prompt syntax, without schedules and `AND`.
        word: one word, or some that stand together, with the prompt's spaces between them; capital letters do not matter.

    Raises:
        ConfigError: when it stands nowhere in the prompt, or is only a part of words.
    """
    pattern, texts = _alone(word), [words_of(part) for part in weighted_parts(prompt)]
    if not stands_in(prompt, word):
        raise ConfigError(f"{word!r} is no word of the prompt {prompt!r}: choose one that stands in it.")
    parts: list[WeightedText] = []
    for text in texts:
        part, start = WeightedText(), 0
        for found in pattern.finditer(text):
            part += [(text[start : found.start()], 1.0), (found[0], MARKED)]
            start = found.end()
        part.append((text[start:], 1.0))
        parts.append([(words, weight) for words, weight in part if words])
    return parts


def without(prompt: str, word: str) -> str:
    """A prompt's plain words with every place of a word taken out."""
    texts = (_alone(word).sub("", words_of(part)) for part in weighted_parts(prompt))
    return escape(" ".join(" ".join(text.split()) for text in texts))


def _alone(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(word.strip())}(?!\w)", re.IGNORECASE)
