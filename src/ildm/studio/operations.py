"""The commands of one session on their way: each message of a client has one number in the log, acts once, and gets one answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from ildm.session.commands import Command
from ildm.studio.refusals import Refused

ANSWERS = ("command-applied", "command-rejected")
"""The kinds of events that say what has become of a command: its number is their `op`."""
REMEMBERED = 4096
"""Messages of clients that are known when they come twice."""
MOST_PENDING = 1024
"""Commands of a session that wait to act."""


class Operations:
    """See above. `op` is a client's own number of its message; the log's numbers go on across clients and workers."""

    def __init__(self) -> None:
        self._next = 0
        self._senders: OrderedDict[int, tuple[str, int]] = OrderedDict()
        self._numbers: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._pending: dict[int, tuple[str, str]] = {}
        self._changes: dict[str, tuple[int, str]] = {}
        self._answers: dict[int, dict[str, Any]] = {}
        self._waiting: dict[int, list[asyncio.Future[dict[str, Any]]]] = {}

    # --- what comes from clients ---------------------------------------------------------------------------------------------

    def number_of(self, client: str, op: int) -> int | None:
        """The number in the log of a message that has come before; None for one that is new."""
        return self._numbers.get((client, op))

    def op_for(self, client: str, number: int) -> int | None:
        """The client's own number of the command that has this one, if it was its."""
        sender = self._senders.get(number)
        return sender[1] if sender is not None and sender[0] == client else None

    def register(self, client: str, op: int, command: Command, base_rev: int | None = None) -> int:
        """Give a client's new message its number in the log.

        Raises:
            Refused: when somebody else has changed the same thing after `base_rev`, or too many wait to act.
        """
        if len(self._pending) >= MOST_PENDING:
            raise Refused("busy", f"{MOST_PENDING} changes of this session wait to act already: send fewer.")
        subject = subject_of(command)
        if base_rev is not None:
            rev, who = self._changes.get(subject, (0, client))
            if rev > base_rev and who != client:
                raise Refused("stale", "Somebody else has changed this meanwhile: look at it, then decide again.")
        number = self._next
        self._next += 1
        self._senders[number], self._numbers[client, op] = (client, op), number
        self._pending[number] = (subject, client)
        for memory in (self._senders, self._numbers):
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)
        return number

    def forget(self, client: str, op: int) -> None:
        """A message was not taken: it may come again."""
        number = self._numbers.pop((client, op), None)
        if number is not None:
            self._senders.pop(number, None)
            self._pending.pop(number, None)

    def answer_to(self, number: int) -> asyncio.Future[dict[str, Any]]:
        """The event that says what has become of a command, now or later; to be given up when it is not waited for to the end."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if number in self._answers:
            future.set_result(self._answers[number])
        else:
            self._waiting.setdefault(number, []).append(future)
        return future

    def give_up(self, number: int, future: asyncio.Future[dict[str, Any]]) -> None:
        """Wait for that answer no more."""
        waiting = self._waiting.get(number, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._waiting.pop(number, None)

    # --- what comes from a worker --------------------------------------------------------------------------------------------

    def answered(self, event: dict[str, Any], rev: int) -> None:
        """Take an event of one of the kinds in `ANSWERS`.

        Args:
            rev: how many commands have acted with it.
        """
        number = event["op"]
        self._next = max(self._next, number + 1)
        self._answers[number] = event
        subject, client = self._pending.pop(number, ("", ""))
        if event["kind"] == "command-applied" and subject:
            self._changes[subject] = (rev, client)
        for future in self._waiting.pop(number, ()):
            if not future.done():
                future.set_result(event)

    def forget_answers(self) -> None:
        """The log is not in memory any more, or is about to be read anew."""
        self._answers.clear()

    def forget_unanswered(self) -> None:
        """A worker has taken the session up, with nothing in hand: what its log does not answer may come again, and then acts."""
        self._pending.clear()
        for (client, op), number in list(self._numbers.items()):
            if number not in self._answers:
                self.forget(client, op)

    def lose(self) -> None:
        """The worker is gone: nothing that waits will act. Which messages did is known when another has taken the session up."""
        for future in (future for waiting in self._waiting.values() for future in waiting):
            if not future.done():
                future.set_exception(Refused("worker-lost", "The engine's process has ended before this acted: try it again."))
        self._waiting.clear()
        self._pending.clear()


def subject_of(command: Command) -> str:
    """What a command changes, so that two people's changes of the same thing can be told apart from those of different ones."""
    region = getattr(command, "region", None)
    what = getattr(command, "id", None) or getattr(region, "id", "") or ""
    kind = command.kind
    if kind in ("change-region", "paint-region", "remove-region"):
        kind = "region"
    return f"{kind} {what}".strip()
