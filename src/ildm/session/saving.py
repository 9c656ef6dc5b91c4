"""When a live session's states are handed to its keeper, and what is told of them: safe, no room, room again, or lost."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass

from ildm.core.errors import StorageError
from ildm.session.events import SessionOpened
from ildm.session.keeping import Handed, Keeping
from ildm.session.log import Log, LoggedCursor
from ildm.session.storage.records import Status

KEEP_INTERVAL = 0.25
"""Seconds of steps that are handed to the keeper together while a session runs: each hand-over costs as much as several states."""
RETRY = 0.2
"""Seconds between two tries to write to a disk that was full."""
FAREWELL = 10.0
"""Seconds that a closing engine waits for the disk."""


@dataclass(frozen=True)
class Saved:
    """A state lies on the disk."""

    node: int


@dataclass(frozen=True)
class NoRoom:
    """The disk is full: nothing more is told to be safe, and it is tried again until there is room."""

    reason: str


@dataclass(frozen=True)
class RoomAgain:
    """All that had to wait has been written."""


@dataclass(frozen=True)
class Lost:
    """It will never be written here: another program goes on with this session, say."""

    problem: BaseException


News = Saved | NoRoom | RoomAgain | Lost


class Saving:
    """One session's way to the disk, in order.

    Args:
        keeping: knows what is kept already.
        notify: called from any thread when something has been written, or could not be.

    `full` says why nothing can be written as long as there is no room; None = there is.
    """

    def __init__(self, keeping: Keeping, notify: Callable[[], None]) -> None:
        self._keeping, self._notify = keeping, notify
        self._handed: deque[Handed] = deque()
        self._kept_at = 0.0
        self.full: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether there is no room."""
        return self.full is not None

    @property
    def is_waiting(self) -> bool:
        """Whether something is on its way."""
        return bool(self._handed)

    @property
    def has_news(self) -> bool:
        """Whether a look would find something, or try again."""
        if not self._handed or not self._handed[0].future.done():
            return False
        first = self._handed[0]
        return first.future.exception() is None or not self.is_full or time.monotonic() - first.tried > RETRY

    @property
    def is_due(self) -> bool:
        """Whether a running session has kept its news to itself for long enough."""
        return time.monotonic() - self._kept_at > KEEP_INTERVAL

    def is_behind(self, log: Log) -> bool:
        """Whether anything has happened that was not handed over yet, beside states being saved."""
        return self._keeping.is_behind(log)

    def begin(self, opened: SessionOpened) -> None:
        """Make room for a new session."""
        self._hand(self._keeping.begin(opened))

    def take_over(self, logged: LoggedCursor) -> None:
        """Count all that came back as kept."""
        self._keeping.take_over(logged)

    def keep(self, logged: LoggedCursor, status: Status) -> None:
        """Hand over what is new."""
        self._kept_at = time.monotonic()
        self._hand(self._keeping.keep(logged, status))

    def news(self) -> Iterator[News]:
        """What has become of it since the last look. Where there was no room, it is handed over once more."""
        while self.has_news:
            first = self._handed[0]
            problem = first.future.exception()
            if problem is None:
                self._handed.popleft()
                yield from map(Saved, first.nodes)
                if self.is_full and not any(one.future.done() and one.future.exception() for one in self._handed):
                    self.full = None
                    yield RoomAgain()
            elif isinstance(problem, StorageError):
                if self.full is None:
                    self.full = str(problem)
                    yield NoRoom(self.full)
                first.again()
                self._tell(first)
                return
            else:
                self._handed.clear()
                yield Lost(problem)

    @property
    def pending(self) -> list[Future[None]]:
        """What is on its way."""
        return [one.future for one in self._handed]

    def wait(self) -> None:
        """Wait until all is on the disk, or known not to be."""
        wait(self.pending, timeout=FAREWELL)

    def _hand(self, handed: Handed | None) -> None:
        if handed is not None:
            self._handed.append(handed)
            self._tell(handed)

    def _tell(self, handed: Handed) -> None:
        handed.future.add_done_callback(lambda _: self._notify())
