"""From a live run to the store and back: what is new since the last time, as records and bytes."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from ildm.core.errors import ProtocolError
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.conditions import Conditions
from ildm.session.events import AnyEvent, SessionOpened
from ildm.session.log import Log, LoggedCursor
from ildm.session.records import BranchRecord, NodeRecord, PositionRecord, Status
from ildm.session.run import Cursor, Position, Run
from ildm.session.timeline import Branch, Node


class Keeper(Protocol):
    """What takes a session's states and events into safety; `Store` does."""

    def create(self, session_id: str, opened: SessionOpened) -> Any:
        """Make room for a session."""
        ...

    def append(self, session_id: str, **batch: Any) -> Future[None]:
        """Keep a batch whole or not at all; the future is done when it lies on the disk."""
        ...


class Kept(Protocol):
    """What comes back of a session; `StoredSession` is one."""

    nodes: Any
    branches: Any
    positions: Any

    def events(self) -> list[AnyEvent]:
        """Its log."""
        ...

    def snapshot(self, node: int) -> bytes | None:
        """A state, as it was kept."""
        ...

    def blob(self, name: str) -> bytes:
        """Bytes by their hash."""
        ...


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
    _blobs: set[str] = field(default_factory=set)

    def begin(self, opened: SessionOpened) -> None:
        """Make room."""
        if self.keeper is not None:
            self.keeper.create(self.session_id, opened)

    def keep(self, logged: LoggedCursor, status: Status) -> tuple[dict[str, Any], Future[None]] | None:
        """Hand over what is new. Returns the batch, for another try, and the future; None when nothing is kept."""
        if self.keeper is None:
            return None
        batch = self._new(logged, status)
        return batch, self.keeper.append(self.session_id, **batch)

    def again(self, batch: dict[str, Any]) -> Future[None]:
        """Hand a batch over once more, after there was no room."""
        assert self.keeper is not None
        return self.keeper.append(self.session_id, **batch)

    def take_over(self, run: Run, events: int) -> None:
        """Count all that a restored run holds as kept."""
        self._events = events
        self._nodes, self._branches = dict(run.timeline.nodes), dict(run.timeline.branches)
        self._blobs = set(run.blobs.names())

    def _new(self, logged: LoggedCursor, status: Status) -> dict[str, Any]:
        run, cursor = logged.run, logged.cursor
        timeline = run.timeline
        nodes = [node for number, node in timeline.nodes.items() if self._nodes.get(number) is not node]
        snapshots = {node.id: run.state(node.id).to_bytes() for node in nodes if node.id not in self._nodes}
        branches = [line for number, line in timeline.branches.items() if self._branches.get(number) is not line]
        gone = [line for number, line in self._branches.items() if number not in timeline.branches]
        blobs = {name: run.blobs.get(name) for name in run.blobs.names() if name not in self._blobs}
        batch = {
            "events": logged.log.events[self._events :],
            "nodes": [to_record(node) for node in nodes],
            "branches": [_branch_record(line) for line in branches] + [_branch_record(line, deleted=True) for line in gone],
            "positions": [_position_record(cursor)],
            "snapshots": snapshots,
            "blobs": blobs,
            "status": status,
        }
        self.take_over(run, len(logged.log.events))
        return batch


def restore(
    model: Model, kept: Kept, *, conditions: Conditions | None = None, budget: int | None = None
) -> dict[int, LoggedCursor]:
    """A session's tree and cursors as they were kept. States are read, not computed; one that is damaged is computed again.

    Raises:
        ProtocolError: when what was kept does not fit together.
    """
    run = Run(model, conditions=conditions, **({} if budget is None else {"budget": budget}))
    nodes = [Node(**_fields(record)) for record in kept.nodes]
    branches = [
        Branch(id=one.id, tip=one.tip, settings=one.settings, name=one.name) for one in kept.branches if not one.deleted
    ]
    run.timeline.restore(nodes, branches)
    for name in sorted({name for one in (*nodes, *branches) for name in one.settings.blobs}):
        if run.blobs.put(kept.blob(name)) != name:
            raise ProtocolError(f"The data {name[:12]}... of the session are damaged.")
    for node in nodes:
        data = kept.snapshot(node.id)
        if data is not None:
            run.snapshots.put(node.id, SamplerState.from_bytes(data, model.device))
    log = Log(kept.events())
    cursors = {one.cursor: LoggedCursor(Cursor(run, _position(one), one.cursor), log) for one in kept.positions}
    if not cursors:
        raise ProtocolError("Nothing says where the session stood: it was kept before its first state was.")
    return cursors


def to_record(node: Node) -> NodeRecord:
    """A node as it is kept."""
    return NodeRecord(**_fields(node))


def _fields(value: Node | NodeRecord) -> dict[str, Any]:
    return {name: getattr(value, name) for name in ("id", "parent", "step", "origin", "settings", "name")}


def _branch_record(line: Branch, *, deleted: bool = False) -> BranchRecord:
    return BranchRecord(id=line.id, tip=line.tip, settings=line.settings, name=line.name, deleted=deleted)


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
