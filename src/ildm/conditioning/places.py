"""Where in a prompt a word stands."""

from __future__ import annotations

import re

from ildm.conditioning.prompt import WeightedText, weighted_parts, words_of
from ildm.core.errors import ConfigError

MARKED = 2.0
"""What the letters of the word weigh in `marked`; all others weigh 1."""


def marked(prompt: str, word: str) -> list[WeightedText]:
    """The parts of a prompt with every place of a word marked by its weight, and all other weights gone.

    Args:
        prompt: in prompt syntax, without schedules and `AND`.
        word: one word, or some that stand together, with the prompt's spaces between them; capital letters do not matter.

    Raises:
        ConfigError: when it stands nowhere in the prompt, or is only a part of words.
    """
    wanted = word.strip()
    pattern = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)", re.IGNORECASE)
    texts = [words_of(part) for part in weighted_parts(prompt)]
    if not wanted or not any(pattern.search(text) for text in texts):
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
