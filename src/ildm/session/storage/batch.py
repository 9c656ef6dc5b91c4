"""What is written to a session at once: all of it becomes durable, or nothing. What is there already may come again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, Text, bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from ildm.core.errors import ProtocolError, StorageError
from ildm.session.commands import SetPrompt
from ildm.session.events import AnyEvent, CommandApplied, CursorLeft, SessionOpened
from ildm.session.storage import schema
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord, Status
from ildm.session.storage.rows import Row, branch_row, content_row, event_row, node_row, position_row

# made once: a batch is written at every step of every session
_SESSION = bindparam("session", type_=Text)
_TOUCH = (
    update(schema.sessions)
    .where(schema.sessions.c.id == _SESSION)
    .values(updated=bindparam("now"), status=func.coalesce(bindparam("new_status", type_=Text), schema.sessions.c.status))
)
_ENTITLE = (
    update(schema.sessions)
    .where(schema.sessions.c.id == _SESSION, schema.sessions.c.title == "")
    .values(title=bindparam("new_title"))
)
_LAST_EVENT = select(func.max(schema.events.c.seq)).where(schema.events.c.session_id == _SESSION)
_EVENT_HASH = select(schema.events.c.sha256).where(
    schema.events.c.session_id == _SESSION, schema.events.c.seq == bindparam("number")
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Additions to one session.

    Args:
        now: seconds since 1970, when the session changed.
        events: the next ones of its log, in order.
        nodes, branches, positions: new ones, or what has become of those of the same number.
        snapshots, images: by node.
        blobs: by hash.
        unneeded: blobs that go, by hash.
        forgotten: nodes that go, with their snapshots and images.
        status: None = as it is.
    """

    now: float
    events: Sequence[AnyEvent] = ()
    nodes: Sequence[NodeRecord] = ()
    branches: Sequence[BranchRecord] = ()
    positions: Sequence[PositionRecord] = ()
    snapshots: Mapping[int, bytes] = field(default_factory=dict[int, bytes])
    images: Mapping[int, bytes] = field(default_factory=dict[int, bytes])
    blobs: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    unneeded: Sequence[str] = ()
    forgotten: Sequence[int] = ()
    status: Status | None = None


def insert_session(
    connection: Connection, session_id: str, *, title: str, model: str, created: float, updated: float, status: Status
) -> None:
    """A session without events yet.

    Raises:
        ProtocolError: when there is one of that id.
    """
    row = {"id": session_id, "title": title, "model": model, "created": created, "updated": updated, "status": status}
    if not connection.execute(insert(schema.sessions).on_conflict_do_nothing(), row).rowcount:
        raise ProtocolError(f"There is a session {session_id} already: choose another id.")


def write(connection: Connection, session_id: str, batch: Batch) -> None:
    """Write a batch within a transaction. One that begins with a session's opening makes the session where it is missing.

    Raises:
        StorageError: when the session is gone, or the events do not follow on those it has.
        ProtocolError: when another event has an event's number, or bytes do not have the hash that names them.
    """
    _touch(connection, session_id, batch)
    _put(connection, schema.events, session_id, _new_events(connection, session_id, batch.events))
    _put(connection, schema.nodes, session_id, map(node_row, batch.nodes))
    _put(connection, schema.branches, session_id, map(branch_row, batch.branches))
    left = [event.cursor for event in batch.events if isinstance(event, CursorLeft)]
    if left:
        places = schema.positions
        connection.execute(delete(places).where(places.c.session_id == session_id, places.c.cursor.in_(left)))
    _put(connection, schema.positions, session_id, map(position_row, batch.positions))
    for table, contents in ((schema.snapshots, batch.snapshots), (schema.images, batch.images)):
        _put(connection, table, session_id, ({"node": node, **content_row(data)} for node, data in contents.items()))
    _put(connection, schema.blobs, session_id, (_blob_row(name, data) for name, data in batch.blobs.items()))
    for table, gone in ((schema.blobs, batch.unneeded), (schema.nodes, batch.forgotten)):
        if gone:
            connection.execute(delete(table).where(table.c.session_id == session_id, table.c.id.in_(gone)))


def _touch(connection: Connection, session_id: str, batch: Batch) -> None:
    if not connection.execute(_TOUCH, {"session": session_id, "now": batch.now, "new_status": batch.status}).rowcount:
        _begin(connection, session_id, batch)
    title = next((text for text in _prompts(batch.events) if text.strip()), None)
    if title is not None:
        connection.execute(_ENTITLE, {"session": session_id, "new_title": title})


def _begin(connection: Connection, session_id: str, batch: Batch) -> None:
    """Make up for a session that could not be created for want of room."""
    first = batch.events[0] if batch.events else None
    if not isinstance(first, SessionOpened):
        raise StorageError(f"There is no session {session_id} in the store: it was removed, or never begun there.")
    insert_session(
        connection,
        session_id,
        title=first.settings.prompt,
        model=first.model,
        created=batch.now,
        updated=batch.now,
        status=batch.status or "running",
    )


def _prompts(events: Sequence[AnyEvent]) -> Iterator[str]:
    for event in events:
        if isinstance(event, CommandApplied) and isinstance(event.command, SetPrompt):
            yield event.command.text


def _new_events(connection: Connection, session_id: str, events: Sequence[AnyEvent]) -> list[Row]:
    """The events that are not there yet, as rows. A log has no gap: there would be one after a batch that found no room, so
    those behind it wait until it is saved.
    """
    new: list[Row] = []
    if not events:
        return new
    last = connection.execute(_LAST_EVENT, {"session": session_id}).scalar_one()
    expected = 0 if last is None else last + 1
    for row in map(event_row, events):
        number = row["seq"]
        if number > expected:
            raise StorageError(
                f"Event {number} of session {session_id} cannot be saved before event {expected}: save that first."
            )
        if number == expected:
            new.append(row)
            expected += 1
        elif connection.execute(_EVENT_HASH, {"session": session_id, "number": number}).scalar() != row["sha256"]:
            raise ProtocolError(
                f"The log of session {session_id} has another event {number} already: another program goes on with this session; "
                "open it again."
            )
    return new


def _blob_row(name: str, data: bytes) -> Row:
    row = content_row(data)
    if row["sha256"].hex() != name:
        raise ProtocolError(f"Bytes were given the name {name}, but a name is their SHA-256, {row['sha256'].hex()}.")
    return {"id": name, **row}


def _put(connection: Connection, table: Table, session_id: str, rows: Iterable[Row]) -> None:
    """Insert rows, or replace those of the same key."""
    full = [{"session_id": session_id, **row} for row in rows]
    if full:
        connection.execute(_upsert(table), full)


@cache
def _upsert(table: Table) -> Any:
    statement = insert(table)
    others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)
