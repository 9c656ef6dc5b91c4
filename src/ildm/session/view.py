"""What there is to see of a session from outside: where it stands, and its tree. Without tensors, as messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from ildm.session.events import AnyEvent, CommandApplied
from ildm.session.settings import Settings
from ildm.session.storage.records import Origin, Status
from ildm.session.storage.stored import StoredSession
from ildm.session.wire import BranchId, Count, Name, NodeId, Strict, Text


class NodeView(Strict):
    """A state: see `ildm.session.timeline.Node`."""

    id: NodeId
    parent: NodeId | None
    step: Count
    origin: Origin = "step"
    name: Name | None = None


class BranchView(Strict):
    """A way through the tree: see `ildm.session.timeline.Branch`."""

    id: BranchId
    tip: NodeId
    name: Name | None = None


class Tree(Strict):
    """All states and branches."""

    nodes: tuple[NodeView, ...]
    branches: tuple[BranchView, ...]


class Place(Strict):
    """Where a session stands.

    Args:
        status: "running" makes steps by itself.
        seq: how many events there have been: this view is what they come to.
        rev: how many commands have acted.
        node, branch, step: the state, the branch it is on, and how many steps are done.
        settings: in force for the next step.
        can_undo, can_redo: whether there is something to take back.
    """

    status: Status
    seq: Count
    rev: Count
    node: NodeId
    branch: BranchId
    step: Count
    settings: Settings
    can_undo: bool = False
    can_redo: bool = False


class SessionView(Strict):
    """A session as somebody sees it who has just come."""

    session: Name
    model: Text
    place: Place
    tree: Tree


@runtime_checkable
class _Numbered(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str | None: ...


@runtime_checkable
class _State(_Numbered, Protocol):
    @property
    def parent(self) -> int | None: ...
    @property
    def step(self) -> int: ...
    @property
    def origin(self) -> Origin: ...


@runtime_checkable
class _Way(_Numbered, Protocol):
    @property
    def tip(self) -> int: ...


def tree_of(nodes: Iterable[_State], branches: Iterable[_Way]) -> Tree:
    """The tree of states and branches, however they are kept."""
    return Tree(
        nodes=tuple(NodeView(id=one.id, parent=one.parent, step=one.step, origin=one.origin, name=one.name) for one in nodes),
        branches=tuple(BranchView(id=one.id, tip=one.tip, name=one.name) for one in branches),
    )


def revision(events: Iterable[AnyEvent]) -> int:
    """How many commands have acted."""
    return sum(isinstance(event, CommandApplied) for event in events)


def view_of_stored(stored: StoredSession, rev: int) -> SessionView:
    """A session as it was last saved.

    Args:
        rev: see `revision`; it is in the log, which is read apart.
    """
    position = min(stored.positions, key=lambda one: one.cursor)
    steps = {node.id: node.step for node in stored.nodes}
    place = Place(
        status=stored.summary.status,
        seq=stored.last_seq + 1,
        rev=rev,
        node=position.node,
        branch=position.branch,
        step=steps[position.node],
        settings=position.settings,
    )
    branches = (one for one in stored.branches if not one.deleted)
    return SessionView(session=stored.summary.id, model=stored.summary.model, place=place, tree=tree_of(stored.nodes, branches))
