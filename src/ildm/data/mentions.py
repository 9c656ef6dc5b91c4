"""Where in a caption the things are named that its picture shows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from ildm.conditioning.grounding import NOTHING, Mention
from ildm.data.concepts import bare, phrases_among
from ildm.data.emoji_scenes import EmojiScenes
from ildm.data.sample import ImageDataset


class Mentions:
    """Finds things in captions.

    Args:
        phrases: by the number of a thing, every way to speak of it; articles are left out.
    """

    def __init__(self, phrases: Mapping[int, Sequence[str]]) -> None:
        self._phrases = {number: sorted({bare(one) for one in some}, key=len, reverse=True) for number, some in phrases.items()}

    def find(self, caption: str, numbers: Iterable[int]) -> list[Mention]:
        """Where those things are named, one behind the other; of two that would share letters, the longer phrase is meant."""
        phrases = [(phrase, number) for number in numbers for phrase in self._phrases.get(number, ())]
        found: list[Mention] = []
        for phrase, number in sorted(phrases, key=lambda one: len(one[0]), reverse=True):
            for match in _pattern(phrase).finditer(caption):
                if all(match.end() <= one.start or one.end <= match.start() for one in found):
                    found.append(Mention(match.start(), match.end(), number))
        return sorted(found)


@cache
def _pattern(phrase: str) -> re.Pattern[str]:
    """There are more phrases than `re` remembers by itself."""
    return re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)", re.IGNORECASE)


def mentions_of(dataset: ImageDataset, classes: Sequence[int]) -> Mentions | None:
    """Finds what the maps of a data set tell apart; None where nobody knows what their numbers stand for.

    Args:
        classes: the numbers in the maps, the background's among them; things are numbered by their place here.
    """
    if not isinstance(dataset, EmojiScenes):
        return None
    spoken = {1 + concept.index: phrases for concept, phrases in phrases_among(dataset.concepts).items()}
    return Mentions({place: spoken[number] for place, number in enumerate(classes) if number != NOTHING and number in spoken})
