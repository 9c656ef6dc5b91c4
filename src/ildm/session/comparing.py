"""Which futures of a comparison a log leaves to be made."""

from __future__ import annotations

from collections.abc import Iterable

from ildm.session.commands import Cancel, Compare
from ildm.session.events import AnyEvent, CommandApplied, CursorMoved, StepCompleted


def left_to_make(events: Iterable[AnyEvent], cursor: int) -> list[int]:
    """The branches that a cursor was yet to open, in order, when its log ended in the midst of a comparison.

    A session that makes a comparison stands on the first of the branches it has begun, and opens the next whenever one is finished.
    Whoever goes elsewhere meanwhile, or cancels, lets the rest be.
    """
    left: list[int] = []
    begun, over = 0, False
    for event in events:
        if event.cursor != cursor:
            continue
        match event:
            case CommandApplied(command=Compare(choices=choices)):
                begun = len(choices)
            case CommandApplied(command=Cancel()):
                left = []
            case StepCompleted():
                over = event.step == event.num_steps
            case CursorMoved(branch=branch):
                if begun:
                    left = list(range(branch + 1, branch + begun))
                else:
                    left = left[left.index(branch) + 1 :] if over and branch in left else []
                begun, over = 0, False
            case _:
                pass
    return left
