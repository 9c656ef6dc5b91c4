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

from ildm.session.storage.records import Status
from ildm.studio.operations import ANSWERS, Operations
from ildm.studio.refusals import Refused, no_such_session

MOST_MADE = 4096
"""States whose step is known when a frame of theirs comes."""


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
    `moves` and `tree_moves` count the times they have changed otherwise than by a step. `operations` are the commands for it.
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
        self.operations = Operations()
        self.frame: Frame | None = None
        self.problem: Refused | None = None
        self.followers: set[asyncio.Event] = set()
        self.opening = asyncio.Lock()
        self.gone = False
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

    # --- what comes from a worker --------------------------------------------------------------------------------------------

    def take_up(self, view: dict[str, Any], events: list[dict[str, Any]]) -> None:
        """Begin with what the worker has of it. What was known before and is not there any more has been lost."""
        if not self._continues(events):
            self.epoch = secrets.token_hex(4)
        self.model = view["model"]
        self.events, self.revs = [], []
        self.operations.forget_answers()
        for event in events:
            self._append(event)
        self.operations.forget_unanswered()
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
        self.operations.forget_answers()

    def lose(self) -> None:
        """The worker that had it is gone."""
        self.place = None
        self.operations.lose()
        self.wake()

    # --- who has to do with it -----------------------------------------------------------------------------------------------

    def answer_to(self, number: int) -> asyncio.Future[dict[str, Any]]:
        """See `Operations`."""
        return self.operations.answer_to(number)

    async def stand(self, rev: int) -> None:
        """Wait until where it stands is known as it was after so many commands; at once where nothing is known of it any more."""
        with self.used() as woken:
            while self.place is not None and self.place["rev"] < rev:
                woken.clear()
                await woken.wait()

    def give_up(self, number: int, future: asyncio.Future[dict[str, Any]]) -> None:
        """See `Operations`."""
        self.operations.give_up(number, future)

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

    def _append(self, event: dict[str, Any]) -> None:
        applied = event["kind"] == "command-applied"
        self.revs.append(self.rev + applied)
        self.events.append(event)
        if event["kind"] in ANSWERS:
            self.operations.answered(event, self.rev)
        if event["kind"] == "step-completed":
            self._made[event["node"]] = (event["step"], event["branch"], self.rev)
            while len(self._made) > MOST_MADE:
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
