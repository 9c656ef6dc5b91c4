"""What goes to one client, when it can take it: nothing is laid up for a slow one.

The events lie in the room, and the outbox only knows how far its client has come; of frames and places, the newest waits. So a client
that stalls costs nothing, and one that comes back gets every event and the newest picture.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ildm.session.envelope import Envelope, Kind
from ildm.studio.messages import EVENT_CREDIT, FRAME_CREDIT
from ildm.studio.room import Room

MAX_ERRORS = 64
LOST = "The engine's process has ended. It is started again, and this session goes on from its last saved step."
_FAILED = "failed"
"""In place of an epoch, which is hexadecimal."""


class Outbox:
    """See above. `room` is what the client follows, None = nothing.

    `skipped` counts the frames that were overtaken since the last one that was sent.
    """

    def __init__(self) -> None:
        self.client = ""
        self.room: Room | None = None
        self.skipped = 0
        self._first: deque[dict[str, Any]] = deque(maxlen=MAX_ERRORS)
        self._epoch: str | None = None
        self._next_event = self._acked_event = 0
        self._moves = self._tree_moves = 0
        self._was_open = False
        self._frame_count = self._frame_number = self._acked_frame = 0
        self._greet = False
        self._op: int | None = None
        self._waiting: int | None = None

    def say(self, message: dict[str, Any]) -> None:
        """Send something of the server's own before anything else; of more than 64 that wait, the newest."""
        self._first.append(message)

    def enter(self, room: Room | None, *, epoch: str | None = None, last_seq: int | None = None, op: int | None = None) -> None:
        """Follow a room from now on: first a welcome, then the events after `last_seq` where the client has the earlier ones."""
        self.room, self._greet, self._op, self._waiting = room, True, op, None
        self._frame_count, self._was_open = 0, False
        known = room is not None and last_seq is not None and epoch == room.epoch
        self._epoch = epoch if known else None
        self._next_event = last_seq + 1 if known and last_seq is not None else 0
        self._acked_event = self._next_event

    def acknowledge(self, seq: int | None, frame: int | None) -> None:
        """Note what the client has dealt with."""
        if seq is not None:
            self._acked_event = min(max(self._acked_event, seq + 1), self._next_event)
        if frame is not None:
            self._acked_frame = min(max(self._acked_frame, frame), self._frame_number)

    def next(self, waiting: int | None = None) -> bytes | None:
        """The next message for the client, packed; None when there is none that it can take now.

        Args:
            waiting: the room's place in the queue.
        """
        if self._first:
            return Envelope(Kind.EVENT, self._first.popleft()).pack()
        room = self.room
        if self._must_greet(waiting):
            return Envelope(Kind.EVENT, self._welcome(waiting)).pack()
        if room is None:
            return None
        if not room.is_open:
            return self._loss()
        if self._next_event < len(room.events) and self._next_event - self._acked_event < EVENT_CREDIT:
            return Envelope(Kind.EVENT, self._event(room)).pack()
        if self._moves != room.moves and self._next_event >= len(room.events):
            return Envelope(Kind.EVENT, self._move(room)).pack()
        frame = room.frame
        if frame is not None and frame.count != self._frame_count and self._frame_number - self._acked_frame < FRAME_CREDIT:
            self.skipped = frame.count - self._frame_count - 1 if self._frame_count else 0
            self._frame_count = frame.count
            self._frame_number += 1
            return Envelope(Kind.FRAME, {"type": "frame", "number": self._frame_number, **frame.header}, frame.data).pack()
        return None

    def _must_greet(self, waiting: int | None) -> bool:
        room = self.room
        if self._greet:
            return room is None or room.is_open or room.problem is not None or waiting is not None
        if room is None:
            return False
        has_come = room.is_open and (room.epoch != self._epoch or not self._was_open)
        has_failed = room.problem is not None and not room.is_open and self._epoch != _FAILED
        return has_come or has_failed or waiting != self._waiting

    def _welcome(self, waiting: int | None) -> dict[str, Any]:
        room, op = self.room, self._op
        self._greet, self._op, self._waiting = False, None, waiting
        told: dict[str, Any] = {"type": "welcome", "session": None if room is None else room.id, "op": op}
        if room is None:
            return told
        if room.problem is not None and not room.is_open:
            self._epoch = _FAILED
            return told | {"problem": room.problem.text}
        if not room.is_open:
            return told | {"waiting": waiting}
        if room.epoch != self._epoch:
            # the client has none of these events: the view is what they come to
            self._next_event = self._acked_event = len(room.events)
            self._epoch = room.epoch
        self._moves, self._tree_moves, self._was_open = room.moves, room.tree_moves, True
        return told | {"epoch": room.epoch, "view": room.view()}

    def _loss(self) -> bytes | None:
        """What a client is told, once, whose session is no longer in a worker."""
        if not self._was_open:
            return None
        self._was_open = False
        room = self.room
        if room is not None and room.gone and room.problem is not None:
            # somebody has deleted it
            told = {"type": "error", "code": room.problem.code, "text": room.problem.text, "op": None}
            return Envelope(Kind.EVENT, told).pack()
        told = {"type": "error", "code": "worker-lost", "text": LOST, "op": None}
        return Envelope(Kind.EVENT, told).pack()

    def _move(self, room: Room) -> dict[str, Any]:
        tree = None if self._tree_moves == room.tree_moves else room.tree()
        self._moves, self._tree_moves = room.moves, room.tree_moves
        return {"type": "moved", "place": room.place, "tree": tree}

    def _event(self, room: Room) -> dict[str, Any]:
        event = room.events[self._next_event]
        op = room.operations.op_for(self.client, event["op"]) if "op" in event else None
        told = {"type": "event", "rev": room.revs[self._next_event], "op": op, "event": event}
        self._next_event += 1
        return told
