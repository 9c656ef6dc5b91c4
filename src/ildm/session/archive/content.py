"""What an archive says of a session beside its bytes: the log and the tree, as tables, judged when they come from outside."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ildm.core.errors import ProtocolError
from ildm.session.archive.file import BRANCHES, EVENTS, NODES, POSITIONS, TABLES, Archive, ArchiveWriter
from ildm.session.events import AnyEvent, CursorLeft, SessionOpened
from ildm.session.settings import named_in
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord
from ildm.session.storage.stored import StoredSession
from ildm.session.store import Store
from ildm.session.wire import adapter, from_json, from_msgpack, to_msgpack

_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Content:
    """A session without its bytes; where two have the same content, they are the same session."""

    events: tuple[AnyEvent, ...]
    nodes: tuple[NodeRecord, ...]
    branches: tuple[BranchRecord, ...]
    positions: tuple[PositionRecord, ...]
    blob_ids: frozenset[str]

    @property
    def opened(self) -> SessionOpened:
        """The first event, once `read_content` has judged the log."""
        opened = self.events[0]
        assert isinstance(opened, SessionOpened)
        return opened

    @property
    def named(self) -> set[str]:
        """The hashes of all the bytes without which it cannot go on."""
        branches = (one for one in self.branches if not one.deleted)
        return named_in(one.settings for one in (*self.nodes, *branches, *self.positions, self.opened))

    def alone(self, cursor: int) -> Content:
        """The same where of its cursors one goes on, or the first where there is none of that number, and the others have left."""
        numbers = [one.cursor for one in self.positions]
        stays = cursor if cursor in numbers else min(numbers, default=0)
        first, at = len(self.events), self.events[-1].at
        left = [number for number in numbers if number != stays]
        return replace(
            self,
            events=(*self.events, *(CursorLeft(seq=seq, at=at, cursor=number) for seq, number in enumerate(left, first))),
            positions=tuple(one for one in self.positions if one.cursor == stays),
        )

    @property
    def is_over(self) -> bool:
        """Whether its cursor stands at a finished picture, and at the end of its branch."""
        if not self.positions:
            return False
        place = min(self.positions, key=lambda one: one.cursor)
        [node] = (one for one in self.nodes if one.id == place.node)
        tips = {branch.id: branch.tip for branch in self.branches}
        return tips[place.branch] == node.id and node.step >= node.settings.num_steps


def content_of(store: Store, session: StoredSession) -> Content:
    """The content of a session in the store; one that runs meanwhile is taken as it was when it was loaded.

    Raises:
        StorageError: when its log is damaged.
    """
    return Content(
        events=tuple(store.events(session.summary.id, last=session.last_seq)),
        nodes=session.nodes,
        branches=session.branches,
        positions=session.positions,
        blob_ids=session.blob_ids,
    )


def add_content(archive: ArchiveWriter, content: Content) -> None:
    """Put the tables into an archive.

    Raises:
        StorageError: when they are too large for one.
    """
    messages = [to_msgpack(event) for event in content.events]
    archive.add(EVENTS, b"".join(_LENGTH.pack(len(message)) + message for message in messages))
    archive.add(NODES, adapter(tuple[NodeRecord, ...]).dump_json(content.nodes))
    archive.add(BRANCHES, adapter(tuple[BranchRecord, ...]).dump_json(content.branches))
    archive.add(POSITIONS, adapter(tuple[PositionRecord, ...]).dump_json(content.positions))


def read_content(archive: Archive, most: int | None = None) -> Content:
    """The tables of an archive.

    Args:
        most: bytes of all of them; None = as many as an archive may have.

    Raises:
        ProtocolError: when they are damaged, are larger than that, or do not make a session.
    """
    size = sum(map(archive.size, TABLES))
    if most is not None and size > most:
        raise archive.refusal(f"its log and its tree have {size >> 20} MiB, and at most {most >> 20} MiB are taken here")
    tables = {name: archive.read(name) for name in TABLES}
    try:
        content = Content(
            events=tuple(_unpack(tables[EVENTS])),
            nodes=from_json(tuple[NodeRecord, ...], tables[NODES]),
            branches=from_json(tuple[BranchRecord, ...], tables[BRANCHES]),
            positions=from_json(tuple[PositionRecord, ...], tables[POSITIONS]),
            blob_ids=frozenset(archive.keys("blobs")),
        )
    except ProtocolError as error:
        raise archive.refusal(str(error)) from error
    problem = next(_problems(content, archive), None)
    if problem is not None:
        raise archive.refusal(problem)
    return content


def _unpack(stream: bytes) -> Iterator[AnyEvent]:
    place = 0
    while place < len(stream):
        start = end = place + _LENGTH.size
        if start <= len(stream):
            end += _LENGTH.unpack_from(stream, place)[0]
        if end > len(stream):
            raise ProtocolError("its log ends in the middle of an event")
        yield from_msgpack(AnyEvent, stream[start:end])
        place = end


def _problems(content: Content, archive: Archive) -> Iterator[str]:
    """What a store or an engine would stumble over."""
    if not content.events or not isinstance(content.events[0], SessionOpened):
        yield "its log does not begin with the opening of a session"
    if any(event.seq != place for place, event in enumerate(content.events)):
        yield "its log has a gap"
    yield from _twice("states", [node.id for node in content.nodes])
    yield from _twice("branches", [branch.id for branch in content.branches])
    yield from _twice("cursors", [position.cursor for position in content.positions])
    nodes, branches = {node.id for node in content.nodes}, {branch.id for branch in content.branches}
    for node in content.nodes:
        if node.parent is not None and (node.parent not in nodes or node.parent >= node.id):
            yield f"state {node.id} comes from state {node.parent}, which is not before it"
    for number in _mentioned(content, archive):
        if number not in nodes:
            yield f"it refers to state {number}, which it does not have"
    for position in content.positions:
        if position.branch not in branches:
            yield f"it refers to branch {position.branch}, which it does not have"
    for name in sorted(content.named - content.blob_ids):
        yield f"it refers to the bytes {name[:12]}..., which it does not have"


def _twice(what: str, numbers: Sequence[int]) -> Iterator[str]:
    if len(set(numbers)) < len(numbers):
        yield f"two of its {what} have the same number"


def _mentioned(content: Content, archive: Archive) -> Iterator[Any]:
    """The states that must be there."""
    yield from (branch.tip for branch in content.branches if not branch.deleted)
    yield from (position.node for position in content.positions)
    for folder in ("snapshots", "images"):
        yield from map(int, archive.keys(folder))
