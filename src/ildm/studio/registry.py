"""The rooms that a server knows: those in memory, those that wait or could not begin, and the latest that somebody has asked for."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator

from ildm.studio.refusals import Refused
from ildm.studio.room import Room

MOST_FAILED, MOST_RESTING = 256, 256
"""Sessions that are remembered without being in memory: those that cannot be had, and those that somebody has asked for."""


class Registry:
    """See above. Who was asked for last is last."""

    def __init__(self) -> None:
        self._rooms: OrderedDict[str, Room] = OrderedDict()
        self._failed = deque[str]()

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def __len__(self) -> int:
        return len(self._rooms)

    def get(self, session_id: str) -> Room | None:
        """The room of a session, where it is known."""
        return self._rooms.get(session_id)

    def keep(self, session_id: str, owner: str) -> Room:
        """The room of a session, from now on known."""
        return self._rooms.setdefault(session_id, Room(session_id, owner))

    def use(self, room: Room) -> None:
        """Note that it has been asked for."""
        self._rooms.move_to_end(room.id)

    def remove(self, room: Room) -> None:
        """Know it no more."""
        self._rooms.pop(room.id, None)

    def fail(self, room: Room, problem: Refused) -> None:
        """Say why a session cannot be had. Of those that fail, the latest are remembered."""
        room.problem = problem
        room.wake()
        self._failed.append(room.id)
        while len(self._failed) > MOST_FAILED:
            self._rooms.pop(self._failed.popleft(), None)

    def forget_resting(self, engaged: Collection[str]) -> None:
        """Of the rooms that nobody has anything to do with, remember the latest.

        Args:
            engaged: sessions that are about to be in memory.
        """
        resting = [room for room in self if room.is_idle and room.id not in engaged]
        for room in resting[:-MOST_RESTING]:
            self.remove(room)
