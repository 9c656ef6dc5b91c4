"""From a live run to the store and back: what is new since the last time, as records and bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypedDict, runtime_checkable

import torch

from ildm.core.errors import ProtocolError, StorageError
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.conditions import Conditions
from ildm.session.cursor import Cursor, Position
from ildm.session.events import AnyEvent, CursorMoved, SessionOpened, StateSaved, StepCompleted
from ildm.session.log import Log, LoggedCursor
from ildm.session.retracing import retrace
from ildm.session.run import SNAPSHOT_BUDGET, Run
from ildm.session.settings import named_in
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord, Status
from ildm.session.storage.stored import StoredSession
from ildm.session.timeline import Branch, Node, Timeline


@runtime_checkable
class Keeper(Protocol):
    """What takes a session's states and events into safety; `Store` does."""

    def create(self, session_id: str, opened: SessionOpened) -> Future[None]:
        """Make room for a session and keep its first event."""
        ...

    def append(
        self,
        session_id: str,
        *,
        events: Sequence[AnyEvent],
        nodes: Sequence[NodeRecord],
        branches: Sequence[BranchRecord],
        positions: Sequence[PositionRecord],
        snapshots: Mapping[int, bytes],
        blobs: Mapping[str, bytes],
        unneeded: Sequence[str],
        forgotten: Sequence[int],
        status: Status,
    ) -> Future[None]:
        """Keep what is new in a session, all of it or nothing; the future is done when it lies on the disk. See `Store.append`."""
        ...


class Handed:
    """Something on its way to the disk.

    Args:
        write: hands it over.
        nodes: the states in it.

    `future` is done when it lies on the disk, or cannot.
    """

    def __init__(self, write: Callable[[], Future[None]], nodes: Sequence[int] = ()) -> None:
        self.nodes = nodes
        self._write = write
        self.again()

    def again(self) -> None:
        """Hand it over once more, after there was no room."""
        self.tried = time.monotonic()
        self.future = self._write()


class _New(TypedDict):
    """What `Keeper.append` is given."""

    events: Sequence[AnyEvent]
    nodes: Sequence[NodeRecord]
    branches: Sequence[BranchRecord]
    positions: Sequence[PositionRecord]
    snapshots: Mapping[int, bytes]
    blobs: Mapping[str, bytes]
    unneeded: Sequence[str]
    forgotten: Sequence[int]
    status: Status


@dataclass
class Keeping:
    """One session's way to its keeper. It knows what is kept already.

    Args:
        keeper: None = nothing is kept.
    """

    keeper: Keeper | None
    session_id: str
    _events: int = 0
    _nodes: dict[int, Node] = field(default_factory=dict)
    _branches: dict[int, Branch] = field(default_factory=dict)
    _deleted: set[int] = field(default_factory=set)
    _blobs: set[str] = field(default_factory=set)
    _positions: dict[int, Position] = field(default_factory=dict)

    def begin(self, opened: SessionOpened) -> Handed | None:
        """Make room for a session, and hand over its first event. None when nothing is kept."""
        keeper = self.keeper
        if keeper is None:
            return None
        self._events = 1
        return Handed(partial(keeper.create, self.session_id, opened))

    def is_behind(self, log: Log) -> bool:
        """Whether anything is new, beside states being saved."""
        new = log.events[self._events :] if self.keeper is not None else ()
        return any(not isinstance(event, StateSaved) for event in new)

    def keep(self, logged: LoggedCursor, status: Status) -> Handed | None:
        """Hand over what is new. None when nothing is kept."""
        keeper = self.keeper
        if keeper is None:
            return None
        new = self._new(logged, status)
        return Handed(lambda: keeper.append(self.session_id, **new), tuple(new["snapshots"]))

    def take_over(self, logged: LoggedCursor) -> None:
        """Count all that is there as kept."""
        run, log = logged.run, logged.log
        self._events = len(log.events)
        self._positions = {number: one.cursor.position for number, one in log.cursors.items()}
        self._nodes, self._branches = dict(run.timeline.nodes), dict(run.timeline.branches)
        self._deleted = _deleted(run.timeline)
        self._blobs = logged.named

    def _new(self, logged: LoggedCursor, status: Status) -> _New:
        run = logged.run
        timeline = run.timeline
        cursors = [one.cursor for one in logged.log.cursors.values()]
        moved = [one for one in cursors if self._positions.get(one.number) != one.position]
        nodes = [node for number, node in timeline.nodes.items() if self._nodes.get(number) is not node]
        snapshots = {node.id: run.state(node.id).to_bytes() for node in nodes if node.id not in self._nodes}
        branches = [line for number, line in timeline.branches.items() if self._branches.get(number) is not line]
        gone = _deleted(timeline) - self._deleted
        named = logged.named
        new: _New = {
            "events": logged.log.events[self._events :],
            "nodes": [to_record(node) for node in nodes],
            "branches": [_branch_record(line) for line in branches] + [_deleted_record(timeline, one) for one in gone],
            "positions": [_position_record(one) for one in moved],
            "snapshots": snapshots,
            "blobs": {name: run.blobs.get(name) for name in sorted(named - self._blobs)},
            "unneeded": sorted(self._blobs - named),
            "forgotten": [number for number in self._nodes if number not in timeline.nodes],
            "status": status,
        }
        self.take_over(logged)
        return new


def restore(
    model: Model,
    stored: StoredSession,
    events: Sequence[AnyEvent],
    *,
    conditions: Conditions | None = None,
    budget: int = SNAPSHOT_BUDGET,
) -> dict[int, LoggedCursor]:
    """A session's tree and cursors as they were kept, by the cursors' numbers. Any thread may do it.

    A state is read when it is asked for, as long as what was kept lies where it was; one that is damaged, or is gone, is computed.

    Raises:
        ProtocolError: when what was kept does not fit together.
    """
    run = Run(model, conditions=conditions, budget=budget)
    nodes = [Node(**_fields(record)) for record in stored.nodes]
    branches = [
        Branch(id=one.id, tip=one.tip, settings=one.settings, name=one.name) for one in stored.branches if not one.deleted
    ]
    # those that were deleted before they were kept are in the log alone
    numbers = [event.node for event in events if isinstance(event, StepCompleted | CursorMoved)]
    num_branches = 1 + max((one.id for one in stored.branches), default=-1)
    run.timeline.restore(nodes, branches, num_nodes=1 + max(numbers, default=-1), num_branches=num_branches)
    named = named_in(one.settings for one in (*nodes, *branches, *stored.positions))
    for name in sorted(named | stored.opened.settings.blobs):
        data = stored.blob(name)
        if data is not None:
            run.blobs.put(data)
    missing = run.blobs.missing(named)
    if missing:
        raise ProtocolError(f"The session refers to data {missing[0][:12]}..., which were not kept with it.")
    run.kept = partial(_kept_state, stored, model.device)
    if not stored.positions:
        raise ProtocolError("Nothing says where the session stood: it was kept before its first state was.")
    log, places = Log(events), {one.cursor: _position(one) for one in stored.positions}
    cursors = {number: LoggedCursor(Cursor(run, place, number), log) for number, place in places.items()}
    for number, (done, undone) in retrace(run, events, places).items():
        cursors[number].cursor.recall(done, undone)
    return cursors


def _kept_state(stored: StoredSession, device: torch.device, node: int) -> SamplerState | None:
    if node not in stored.snapshot_nodes:
        return None
    try:
        data = stored.snapshot(node)
        return None if data is None else SamplerState.from_bytes(data, device)
    except (StorageError, ProtocolError):
        return None  # it is computed instead


def to_record(node: Node) -> NodeRecord:
    """A node as it is kept."""
    return NodeRecord(**_fields(node))


def _fields(value: Node | NodeRecord) -> dict[str, Any]:
    return {name: getattr(value, name) for name in ("id", "parent", "step", "origin", "settings", "name")}


def _branch_record(line: Branch) -> BranchRecord:
    return BranchRecord(id=line.id, tip=line.tip, settings=line.settings, name=line.name)


def _deleted(timeline: Timeline) -> set[int]:
    return set(range(timeline.num_branches)) - timeline.branches.keys()


def _deleted_record(timeline: Timeline, number: int) -> BranchRecord:
    """Only the number counts; the rest is some other branch's."""
    line = next(iter(timeline.branches.values()))
    return BranchRecord(id=number, tip=line.tip, settings=line.settings, deleted=True)


def _position_record(cursor: Cursor) -> PositionRecord:
    position = cursor.position
    return PositionRecord(
        cursor=cursor.number,
        node=position.node,
        branch=position.branch,
        settings=position.settings,
        following=position.following,
    )


def _position(record: PositionRecord) -> Position:
    return Position(node=record.node, branch=record.branch, settings=record.settings, following=record.following)
