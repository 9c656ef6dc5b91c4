"""Commands of a session on their way: what each waits for is begun when it comes, and each is handed out when it can act."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from threading import Lock

from ildm.session.ahead import foresee, locate
from ildm.session.commands import AddRegionFromWord, Command
from ildm.session.conditions import Conditions
from ildm.session.editing import changed
from ildm.session.log import LoggedCursor
from ildm.session.mailbox import Mailbox, Received
from ildm.session.settings import Settings


class Inbox:
    """Takes commands from any thread, and gives them to the engine's one by one.

    Args:
        logged: the session's cursor.
        notify: called when a command that waited may act.
    """

    def __init__(self, logged: LoggedCursor, notify: Callable[[], None]) -> None:
        self._logged, self._notify = logged, notify
        self._mailbox = Mailbox()
        self._foreseen: Settings | None = None
        self._receiving = Lock()

    def __bool__(self) -> bool:
        """Whether any command is yet to act."""
        return bool(self._mailbox)

    @property
    def has_ready(self) -> bool:
        """Whether a look would find something."""
        return self._mailbox.has_ready

    @contextmanager
    def receiving(self, command: Command, op: int | None, conditions: Conditions) -> Generator[Received, None, None]:
        """Take a command, from any thread, and begin to encode its prompts under the settings that those before it will leave.

        It is `put` before the block is left, and none that comes later before it.
        """
        with self._receiving:
            before = self._foreseen or self._logged.cursor.settings
            keys, self._foreseen = foresee(before, command)
            number = self._logged.log.next_op() if op is None else op
            ahead = {key: conditions.prepare(*key) for key in keys}
            yield Received(number, command, self._logged.cursor.node.step, before, ahead)

    def put(self, one: Received) -> None:
        """Let a command wait for its turn."""
        self._mailbox.put(one)

    def due(self, conditions: Conditions, beside: Executor, patience: float) -> Iterator[tuple[Received, bool]]:
        """The commands that act now, in order, and whether each was overtaken instead by a later one of its kind.

        What a command needs is asked again when it is its turn: those before it may have changed that.

        Args:
            beside: finds out what commands need to know, while steps are made.
            patience: seconds to wait at most for what is being encoded; for what else a command waits, nobody does.
        """
        until = time.monotonic() + patience

        def look(one: Received) -> None:
            if isinstance(one.command, AddRegionFromWord):
                self._look_for_word(one, one.command, beside)
            self._need(one, conditions)

        waits = True
        while waits:
            waits = False
            ready, overtaken = self._mailbox.take(look, until - time.monotonic())
            yield from ((one, True) for one in overtaken)
            for place, one in enumerate(ready):
                if one.asked_under != self._logged.cursor.settings:
                    self._need(one, conditions)
                if not one.ready:
                    self._mailbox.put_back(ready[place:])
                    waits = True
                    break
                yield one, False
        with self._receiving:
            if not self._mailbox:
                self._foreseen = None

    def _need(self, one: Received, conditions: Conditions) -> None:
        """Say which prompts a command waits for, under the settings in force."""
        settings = self._logged.cursor.settings
        one.asked_under = settings
        if settings == one.foreseen:
            one.encoded = list(one.ahead.values())
        else:
            keys, _ = foresee(settings, one.command)
            one.encoded = [one.ahead.get(key) or conditions.prepare(*key) for key in keys]
        for future in one.encoded:
            # a session that rests would not look again by itself
            future.add_done_callback(lambda _: self._notify())

    def _look_for_word(self, one: Received, command: AddRegionFromWord, beside: Executor) -> None:
        cursor = self._logged.cursor
        settings = changed(cursor.settings, prompt=one.foreseen.prompt)
        one.made = beside.submit(locate, cursor.run.steering, cursor.run.state(cursor.position.node), settings, command)
        one.made.add_done_callback(lambda _: self._notify())
