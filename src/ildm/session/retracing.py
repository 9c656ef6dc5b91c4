"""What the cursors of a session can undo and redo, found again from its log and its tree.

The log is followed from its beginning, but no step is made and no prompt encoded: states have settings, and that is all that counts here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from ildm.core.errors import IldmError, ProtocolError
from ildm.core.types import Latent
from ildm.session.applying import apply
from ildm.session.commands import FLOW, Command, DislikeArea, RedoArea, StartFromImage
from ildm.session.cursor import Cursor, Position
from ildm.session.editing import changed
from ildm.session.events import AnyEvent, CommandApplied, CursorLeft, CursorMoved, SessionOpened, StepCompleted
from ildm.session.run import Run
from ildm.session.settings import Feedback, Hold, Settings, Start
from ildm.session.steering import estimate_of
from ildm.session.timeline import Node
from ildm.session.wire import Mask

UNKNOWN = torch.full((1, 1, 1, 1), torch.nan)
"""Stands for a picture that was not kept."""
_NOWHERE = "0" * 64
_NOBODY_KNOWS = Start(source=_NOWHERE, step=0)
Remembered = tuple[list[Position], list[Position]]
"""Where undo leads, and where redo does: see `Cursor.remembered`."""


def retrace(run: Run, events: Sequence[AnyEvent], places: Mapping[int, Position]) -> dict[int, Remembered]:
    """What each cursor remembers, by its number, as far as log and tree tell: a picture that was locked or judged, and is neither kept
    nor part of any state, is not known any more, and what was changed before that cannot be undone.

    Args:
        run: its tree as it is now, with the bytes that its settings name; those that only a change names are put there.
        places: where the cursors are now.
    """
    begun = {event.node: event.step for event in events if isinstance(event, CursorMoved)}
    try:
        cursors = _follow(_Outline(run, begun), events)
    except IldmError:
        return {}
    run.blobs.drop([run.blobs.put_latent(UNKNOWN)])
    return {
        number: (_sound(run, cursor.remembered[0]), _sound(run, cursor.remembered[1]))
        for number, cursor in cursors.items()
        if number in places and _where(cursor.position) == _where(places[number])
    }


def _follow(outline: _Outline, events: Iterable[AnyEvent]) -> dict[int, Cursor]:
    cursors: dict[int, Cursor] = {}
    for event in events:
        match event:
            case SessionOpened(settings=settings):
                cursors[event.cursor] = Cursor.begin(outline, settings)
            case CursorMoved(cursor=number) if number not in cursors:
                cursors[number] = Cursor.at(outline, event.node, event.branch, number)
            case CommandApplied(command=command) if not isinstance(command, FLOW):
                _act(_cursor_of(event, cursors), command)
            case CursorLeft():
                _cursor_of(event, cursors).leave()
                del cursors[event.cursor]
            case StepCompleted():
                _cursor_of(event, cursors).step()
            case _:
                pass
        if isinstance(event, CursorMoved | StepCompleted) and cursors[event.cursor].position.node != event.node:
            raise ProtocolError(f"Event {event.seq} of the log is at state {event.node}, where its commands do not lead.")
    return cursors


def _cursor_of(event: AnyEvent, cursors: Mapping[int, Cursor]) -> Cursor:
    if event.cursor not in cursors:
        raise ProtocolError(f"Event {event.seq} of the log speaks of cursor {event.cursor} before it exists.")
    return cursors[event.cursor]


def _act(cursor: Cursor, command: Command) -> None:
    match command:
        case StartFromImage() | RedoArea() | DislikeArea(area=Mask()):
            # all of these begin anew, and the tree says with which settings
            cursor.begin_again(changed(cursor.settings, start=_NOBODY_KNOWS, holds=(), feedback=()))
        case _:
            apply(cursor, command)


def _sound(run: Run, places: list[Position]) -> list[Position]:
    """Those behind the last one whose settings name what is not there."""
    for number, place in reversed(list(enumerate(places))):
        if place.node not in run.timeline.nodes or run.blobs.missing(place.settings.blobs):
            return places[number + 1 :]
    return places


def _where(place: Position) -> tuple[int, int, bool]:
    return place.node, place.branch, place.following


class _Outline(Run):
    """A run's tree as it grew, without states. Settings are those of the real states, as long as these are there.

    Args:
        whole: the run.
        begun: how many steps count as done at its first states, by their numbers.
    """

    def __init__(self, whole: Run, begun: Mapping[int, int]) -> None:
        super().__init__(whole.model, conditions=whole.steering.conditions)
        self.blobs = whole.blobs
        self._whole, self._begun = whole, begun

    def check(self, settings: Settings) -> None:
        """What is in the log could be followed."""

    def check_dislike(self, settings: Settings, area: Mask | None) -> None:
        """What is in the log did something."""

    def begin(self, settings: Settings, parent: int | None = None) -> Node:
        """A new first state."""
        made = self._made_with(settings)
        if made.start == _NOBODY_KNOWS:
            made = _stand_in(made, self._begun.get(self.timeline.num_nodes, 0))
        return self.timeline.begin(parent, made)

    def grow(self, branch: int, settings: Settings) -> Node:
        """One step from a branch's tip."""
        return self.timeline.grow(branch, self._made_with(settings))

    def estimate(self, node: int) -> Latent:
        """The picture behind a state, where it was kept."""
        state = self._whole.known(node) if node in self._whole.timeline.nodes else None
        estimate = None if state is None else estimate_of(state)
        return UNKNOWN if estimate is None else estimate

    def _made_with(self, settings: Settings) -> Settings:
        node = self._whole.timeline.nodes.get(self.timeline.num_nodes)
        return settings if node is None else node.settings


def _stand_in(settings: Settings, step: int) -> Settings:
    """For the settings of a first state that went with its branch; whatever is made of them names what is not there."""
    held, judged = Hold(source=_NOWHERE, change=_NOWHERE, locked=True), Feedback(liked=True, source=_NOWHERE)
    return changed(settings, start=Start(source=_NOWHERE, step=step), holds=(held,), feedback=(judged,))
