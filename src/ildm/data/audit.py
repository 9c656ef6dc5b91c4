"""What a split really shows, counted over its scenes, and whether it keeps to its own rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any

from ildm.core.errors import ConfigError
from ildm.data.concepts import concepts_by_label
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.layout import relation
from ildm.data.sample import Sample
from ildm.data.splits import SPLITS, held_out_style, is_held_out_together
from ildm.data.styles import STYLES


@dataclass(kw_only=True)
class Audit:
    """Counts over the scenes of one split.

    Args:
        held_out_pairs: scenes with a concept in the style that training never shows it in.
        held_out_meetings: scenes with two concepts that training never shows together.
        held_out_styles: scenes with a style that training never shows.
        related: scenes of several objects whose first two stand clearly left, right, above or below of each other.
    """

    split: str
    scenes: int = 0
    objects: int = 0
    concepts: int = 0
    styles: tuple[str, ...] = ()
    held_out_pairs: int = 0
    held_out_meetings: int = 0
    held_out_styles: int = 0
    related: int = 0

    @property
    def keeps_its_rule(self) -> bool:
        """Whether every scene shows what its split promises and nothing that it must not show."""
        expected = {
            "unseen_pair": (self.scenes, 0, 0),
            "unseen_concept_pair": (0, self.scenes, 0),
            "unseen_style": (0, 0, self.scenes),
        }.get(self.split, (0, 0, 0))
        return (self.held_out_pairs, self.held_out_meetings, self.held_out_styles) == expected


def audit_split(dataset: EmojiScenes, count: int, *, progress: Callable[[int, int], None] | None = None) -> Audit:
    """Count over the first `count` scenes of a data set."""
    found = Audit(split=dataset.config.split, scenes=min(count, len(dataset)))
    concepts: Counter[str] = Counter()
    styles: Counter[str] = Counter()
    for index in range(found.scenes):
        sample = dataset[index]
        concepts.update(one.concept for one in sample.objects)
        styles.update(one.style for one in sample.objects)
        found.held_out_pairs += _shows_pair(sample)
        found.held_out_meetings += _shows_meeting(sample)
        found.held_out_styles += any(not STYLES[one.style].trained for one in sample.objects)
        first_two = [one.box for one in sample.objects[:2]]
        found.related += any(relation(first, second) is not None for first, second in pairwise(first_two))
        if progress is not None:
            progress(index + 1, found.scenes)
    found.objects, found.concepts = sum(concepts.values()), len(concepts)
    found.styles = tuple(sorted(styles))
    return found


def audit_all(
    config: EmojiScenesConfig, count: int, *, progress: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """The audit of every split of a configuration as JSON values; a split that is empty for it is left out."""
    audits: list[dict[str, Any]] = []
    for split in SPLITS:
        try:
            dataset = EmojiScenes(replace(config, split=split))
        except ConfigError:
            continue
        found = audit_split(dataset, count, progress=progress)
        audits.append({**vars(found), "styles": list(found.styles), "keeps_its_rule": found.keeps_its_rule})
    return audits


def _shows_pair(sample: Sample) -> bool:
    known = concepts_by_label()
    return any(held_out_style(known[one.concept]) == one.style for one in sample.objects)


def _shows_meeting(sample: Sample) -> bool:
    known = concepts_by_label()
    return any(is_held_out_together(known[a.concept], known[b.concept]) for a, b in combinations(sample.objects, 2))
