"""One session as the server knows it: its events, where it stands, the newest frame, and those who follow it.

All of it belongs to the event loop. A follower is woken when there is something new, and takes what it wants when it can: nobody waits
for it, and nothing is laid up for it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ildm.session.commands import Command
from ildm.session.storage.records import Status
from ildm.studio.refusals import Refused, no_such_session

REMEMBERED = 4096
"""Messages of clients that are known when they come twice."""
MOST_PENDING = 1024
"""Commands of a session that wait to act."""
_ANSWERS = ("command-applied", "command-rejected")


@dataclass(frozen=True)
class Frame:
    """The newest picture of a session.

    Args:
        count: how many there have been, so that a follower knows which it has.
        header: the fields of a `FrameHeader` but its number.
        data: a JPEG.
    """

    count: int
    header: dict[str, Any]
    data: bytes


class Room:
    """See above.

    Args:
        session_id, owner: whose session it is.

    `title` and `model` are what it was begun with. `epoch` names the numbers of its events; `events` are plain values as they came,
    `revs` how many commands had acted by each. `place` is None until it is open in a worker; `nodes` and `branches` are its tree.
    `moves` and `tree_moves` count the times they have changed otherwise than by a step.
    """

    def __init__(self, session_id: str, owner: str) -> None:
        self.id, self.owner = session_id, owner
        self.epoch = secrets.token_hex(4)
        self.title = self.model = ""
        self.events: list[dict[str, Any]] = []
        self.revs: list[int] = []
        self.place: dict[str, Any] | None = None
        self.nodes: dict[int, dict[str, Any]] = {}
        self.branches: dict[int, dict[str, Any]] = {}
        self.moves = self.tree_moves = 0
        self.frame: Frame | None = None
        self.problem: Refused | None = None
        self.followers: set[asyncio.Event] = set()
        self.opening = asyncio.Lock()
        self.gone = False
        self._next_op = 0
        self._ops: OrderedDict[int, tuple[str, int]] = OrderedDict()
        self._sent: OrderedDict[tuple[str, int], int] = OrderedDict()
        self._answers: dict[int, list[asyncio.Future[dict[str, Any]]]] = {}
        self._changes: dict[str, tuple[int, str]] = {}
        self._commands: dict[int, tuple[str, str]] = {}
        self._made: OrderedDict[int, tuple[int, int, int]] = OrderedDict()

    # --- what there is -----------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Refuse what is asked of a session that cannot be had.

        Raises:
            Refused: then; one of its own each time, since an error that is raised again keeps where it was raised before.
        """
        if self.problem is not None:
            raise Refused(self.problem.code, self.problem.text)

    @property
    def is_open(self) -> bool:
        """Whether a worker has it in memory."""
        return self.place is not None

    @property
    def status(self) -> Status | None:
        """As of the last event."""
        return None if self.place is None else self.place["status"]

    @property
    def may_rest(self) -> bool:
        """Whether a worker may let it go: nobody looks at it, asks for anything or has it opened or closed, and it makes no steps."""
        return self.is_open and self.status != "running" and not self.followers and not self.opening.locked()

    @property
    def is_idle(self) -> bool:
        """Whether it may be forgotten: it is in the store, and nowhere else."""
        return not self.is_open and self.problem is None and not self.followers and not self.opening.locked()

    @property
    def rev(self) -> int:
        """How many commands have acted."""
        return self.revs[-1] if self.revs else 0

    def view(self) -> dict[str, Any]:
        """The fields of a `SessionView`, as of now."""
        assert self.place is not None
        place = self.place | {"seq": len(self.events), "rev": self.rev}
        return {"session": self.id, "model": self.model, "place": place, "tree": self.tree()}

    def tree(self) -> dict[str, Any]:
        """The fields of a `Tree`, as of now."""
        return {"nodes": list(self.nodes.values()), "branches": list(self.branches.values())}

    def op_for(self, client: str, number: int) -> int | None:
        """The client's own number of the command that has this one, if it was its."""
        sender = self._ops.get(number)
        return sender[1] if sender is not None and sender[0] == client else None

    # --- what comes from a worker --------------------------------------------------------------------------------------------

    def take_up(self, view: dict[str, Any], events: list[dict[str, Any]]) -> None:
        """Begin with what the worker has of it. What was known before and is not there any more has been lost."""
        if not self._continues(events):
            self.epoch = secrets.token_hex(4)
        self.model = view["model"]
        self.events, self.revs = [], []
        for event in events:
            self._append(event)
        self._forget_unanswered()
        self._stand(view["place"], view["tree"])
        self.problem = None
        self.moves += 1
        self.wake()

    def happened(self, event: dict[str, Any]) -> None:
        """Take the next event of the log."""
        if event["seq"] < len(self.events):
            return  # it came with what `take_up` was given
        self._append(event)
        match event["kind"]:
            case "step-completed" if self.place is not None:
                self._grow(event)
            case "command-applied" | "command-rejected":
                self._settle(event)
            case "run-paused" | "run-cancelled" | "run-failed" | "run-resumed" if self.place is not None:
                status = "running" if event["kind"] == "run-resumed" else event["kind"].removeprefix("run-")
                self.place = self.place | {"status": status}
            case _:
                pass
        self.wake()

    def moved(self, place: dict[str, Any], tree: dict[str, Any] | None) -> None:
        """Take where it stands now."""
        self._stand(place, tree)
        self.moves += 1
        self.wake()

    def show(self, header: dict[str, Any], data: bytes) -> None:
        """Take a newer frame."""
        step, branch, rev = self._made.get(header["node"], (0, 0, self.rev))
        count = 1 if self.frame is None else self.frame.count + 1
        kept = {name: header[name] for name in ("session", "node", "width", "height", "at")}
        self.frame = Frame(count, kept | {"step": step, "branch": branch, "rev": rev, "format": "jpeg"}, data)
        self.wake()

    def rest(self) -> None:
        """The worker lets it go. Who looks at it later gets it whole from there again."""
        self.place, self.frame, self.epoch = None, None, secrets.token_hex(4)
        self.events, self.revs, self.nodes, self.branches = [], [], {}, {}

    def lose(self) -> None:
        """The worker that had it is gone."""
        self.place = None
        for future in (future for waiting in self._answers.values() for future in waiting):
            if not future.done():
                future.set_exception(Refused("worker-lost", "The engine's process has ended before this acted: try it again."))
        self._answers.clear()
        self._commands.clear()
        self.wake()

    # --- what comes from clients ---------------------------------------------------------------------------------------------

    def number_of(self, client: str, op: int) -> int | None:
        """The number in the log of a message that has come before; None for one that is new."""
        return self._sent.get((client, op))

    def register(self, client: str, op: int, command: Command, base_rev: int | None = None) -> int:
        """Give a client's new message its number in the log.

        Raises:
            Refused: when somebody else has changed the same thing after `base_rev`, or too many wait to act.
        """
        if len(self._commands) >= MOST_PENDING:
            raise Refused("busy", f"{MOST_PENDING} changes of this session wait to act already: send fewer.")
        subject = subject_of(command)
        if base_rev is not None:
            rev, who = self._changes.get(subject, (0, client))
            if rev > base_rev and who != client:
                raise Refused("stale", "Somebody else has changed this meanwhile: look at it, then decide again.")
        number = self._next_op
        self._next_op += 1
        self._ops[number], self._sent[client, op] = (client, op), number
        self._commands[number] = (subject, client)
        for memory in (self._ops, self._sent):
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)
        return number

    def forget(self, client: str, op: int) -> None:
        """A message was not taken: it may come again."""
        number = self._sent.pop((client, op), None)
        if number is not None:
            self._ops.pop(number, None)
            self._commands.pop(number, None)

    def answer_to(self, number: int) -> asyncio.Future[dict[str, Any]]:
        """The event that says what has become of a command, now or later; to be given up when it is not waited for to the end."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        known = next((one for one in reversed(self.events) if one["kind"] in _ANSWERS and one["op"] == number), None)
        if known is not None:
            future.set_result(known)
        else:
            self._answers.setdefault(number, []).append(future)
        return future

    def give_up(self, number: int, future: asyncio.Future[dict[str, Any]]) -> None:
        """Wait for that answer no more."""
        waiting = self._answers.get(number, [])
        if future in waiting:
            waiting.remove(future)
        if not waiting:
            self._answers.pop(number, None)

    def follow(self) -> asyncio.Event:
        """Be woken from now on when there is something new."""
        woken = asyncio.Event()
        self.followers.add(woken)
        return woken

    def leave(self, woken: asyncio.Event) -> None:
        """Be woken no more."""
        self.followers.discard(woken)

    @contextmanager
    def used(self) -> Generator[asyncio.Event, None, None]:
        """Stay in memory, and be followed, as long as the block lasts."""
        woken = self.follow()
        try:
            yield woken
        finally:
            self.leave(woken)

    def wake(self) -> None:
        """Say that there is something new."""
        for follower in self.followers:
            follower.set()

    def close(self) -> None:
        """It is there no more."""
        self.gone = True
        self.problem = no_such_session(self.id)
        self.lose()

    # -------------------------------------------------------------------------------------------------------------------------

    def _continues(self, events: list[dict[str, Any]]) -> bool:
        """Whether a log goes on from the one that is known, so that the numbers mean the same."""
        known = self.events
        return len(events) >= len(known) and (not known or events[len(known) - 1] == known[-1])

    def _forget_unanswered(self) -> None:
        """A worker that has just taken it up has nothing else in hand: what its log does not answer may come again, and then acts."""
        answered = {event["op"] for event in self.events if event["kind"] in _ANSWERS}
        self._commands.clear()
        for (client, op), number in list(self._sent.items()):
            if number not in answered:
                self.forget(client, op)

    def _append(self, event: dict[str, Any]) -> None:
        applied = event["kind"] == "command-applied"
        self.revs.append(self.rev + applied)
        self.events.append(event)
        if event["kind"] in _ANSWERS:
            self._next_op = max(self._next_op, event["op"] + 1)
        if event["kind"] == "step-completed":
            self._made[event["node"]] = (event["step"], event["branch"], self.rev)
            while len(self._made) > REMEMBERED:
                self._made.popitem(last=False)

    def _stand(self, place: dict[str, Any], tree: dict[str, Any] | None) -> None:
        self.place = place
        if tree is not None:
            self.tree_moves += 1
            self.nodes = {node["id"]: node for node in tree["nodes"]}
            self.branches = {branch["id"]: branch for branch in tree["branches"]}

    def _grow(self, event: dict[str, Any]) -> None:
        assert self.place is not None
        node, branch, step = event["node"], event["branch"], event["step"]
        if event["fresh"]:
            self.nodes[node] = {"id": node, "parent": event["parent"], "step": step, "origin": "step", "name": None}
            known = self.branches.get(branch, {"id": branch, "name": None})
            self.branches[branch] = known | {"tip": node}
        self.place = self.place | {"node": node, "branch": branch, "step": step, "seq": len(self.events)}

    def _settle(self, event: dict[str, Any]) -> None:
        number = event["op"]
        subject, client = self._commands.pop(number, ("", ""))
        if event["kind"] == "command-applied" and subject:
            self._changes[subject] = (self.rev, client)
        for future in self._answers.pop(number, ()):
            if not future.done():
                future.set_result(event)


def subject_of(command: Command) -> str:
    """What a command changes, so that two people's changes of the same thing can be told apart from those of different ones."""
    region = getattr(command, "region", None)
    what = getattr(command, "id", None) or getattr(region, "id", "") or ""
    kind = command.kind
    if kind in ("change-region", "paint-region", "remove-region"):
        kind = "region"
    return f"{kind} {what}".strip()
