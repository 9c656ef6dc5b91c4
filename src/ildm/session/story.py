"""A log as lines to read: what a person did, a stroke as one line, without every step and every save."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from ildm.session.events import CommandApplied, Event, StateSaved, StepCompleted
from ildm.session.region_commands import PaintRegion
from ildm.session.words import in_words


@dataclass(frozen=True)
class Line:
    """One line.

    Args:
        seq, cursor: of the event, of the first where several are one line.
    """

    seq: int
    cursor: int
    words: str


def story(events: Iterable[Event]) -> Iterator[Line]:
    """A line for each event but steps and saves; patches that are one stroke share the line of the first."""
    chosen = (event for event in events if not isinstance(event, StepCompleted | StateSaved))
    for _, together in groupby(chosen, key=_stroke):
        first, *more = together
        yield Line(first.seq, first.cursor, in_words(first) + _further(len(more)))


def _stroke(event: Event) -> tuple[int, ...]:
    """Equal for the patches of one stroke, and for nothing else."""
    if isinstance(event, CommandApplied) and isinstance(event.command, PaintRegion) and event.command.stroke is not None:
        return (event.cursor, event.command.stroke)
    return (event.cursor, -1, event.seq)


def _further(count: int) -> str:
    return "" if count == 0 else f", and {count} more {'patch' if count == 1 else 'patches'} of this stroke"
