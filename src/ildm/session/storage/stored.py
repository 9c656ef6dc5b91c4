"""Sessions as they lie in the store: the list of them, and each of them whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, case, func, or_, select

from ildm.core.errors import ConfigError, MissingError, StorageError
from ildm.session.events import AnyEvent, SessionOpened
from ildm.session.storage import schema
from ildm.session.storage.records import BranchRecord, NodeRecord, PositionRecord, SessionSummary
from ildm.session.storage.rows import event_row, read_branch, read_content, read_event, read_node, read_position

_NAMES = {"snapshots": "The snapshot of state", "images": "The picture of state", "blobs": "The data"}


@dataclass(frozen=True, kw_only=True)
class StoredSession:
    """A session as last saved. Its bytes stay in the store until they are asked for.

    Args:
        opened: its first event.
        nodes, branches, positions: by number.
        last_seq: of the newest event.
        snapshot_nodes, image_nodes: the nodes that have one.
        blob_ids: the hashes of what lies beside its settings.
    """

    summary: SessionSummary
    opened: SessionOpened
    nodes: tuple[NodeRecord, ...]
    branches: tuple[BranchRecord, ...]
    positions: tuple[PositionRecord, ...]
    last_seq: int
    snapshot_nodes: frozenset[int]
    image_nodes: frozenset[int]
    blob_ids: frozenset[str]
    _fetch: Callable[[Table, int | str], bytes | None] = field(repr=False, compare=False)

    def snapshot(self, node: int) -> bytes | None:
        """The sampler's state at a node; None where none was kept, and it is to be computed again.

        Raises:
            StorageError: when it is damaged: it can be computed again all the same.
        """
        return self._fetch(schema.snapshots, node)

    def image(self, node: int) -> bytes | None:
        """The picture of a node, None where there is none.

        Raises:
            StorageError: when it is damaged.
        """
        return self._fetch(schema.images, node)

    def blob(self, name: str) -> bytes | None:
        """The bytes of a hash, None where there are none.

        Raises:
            StorageError: when they are damaged.
        """
        return self._fetch(schema.blobs, name)


def read_session(connection: Connection, session_id: str, fetch: Callable[[Table, int | str], bytes | None]) -> StoredSession:
    """All of a session but its bytes.

    Raises:
        ConfigError: when there is no such session.
        StorageError: when what every session needs is damaged: its first event, or what is said of its states.
    """
    [summary] = read_summaries(connection, only=session_id) or [None]
    first = read_events(connection, session_id, 0, 0)
    if summary is None:
        raise MissingError(f"There is no session {session_id} in the store.")
    if not first or not isinstance(first[0], SessionOpened):
        raise StorageError(f"Session {session_id} does not begin with its opening: its log is damaged.")
    of, latest = f"of session {session_id}", select(func.max(schema.events.c.seq))
    return StoredSession(
        summary=summary,
        opened=first[0],
        nodes=tuple(read_node(row, f"State {row['id']} {of}") for row in _rows(connection, schema.nodes, session_id)),
        branches=tuple(read_branch(row, f"Branch {row['id']} {of}") for row in _rows(connection, schema.branches, session_id)),
        positions=tuple(
            read_position(row, f"Cursor {row['cursor']} {of}") for row in _rows(connection, schema.positions, session_id)
        ),
        last_seq=connection.execute(latest.where(schema.events.c.session_id == session_id)).scalar_one(),
        snapshot_nodes=_keys(connection, schema.snapshots, session_id),
        image_nodes=_keys(connection, schema.images, session_id),
        blob_ids=_keys(connection, schema.blobs, session_id),
        _fetch=fetch,
    )


def read_events(connection: Connection, session_id: str, since: int, last: int | None = None) -> list[AnyEvent]:
    """The events from number `since` on, to number `last`; None = all that there are.

    Raises:
        StorageError: when one is damaged.
    """
    table = schema.events
    chosen = select(table).where(table.c.session_id == session_id, table.c.seq >= since).order_by(table.c.seq)
    rows = connection.execute(chosen if last is None else chosen.where(table.c.seq <= last)).mappings()
    return [read_event(row, f"Event {row['seq']} of session {session_id}") for row in rows]


def read_payload(connection: Connection, table: Table, session_id: str, key: int | str) -> bytes | None:
    """The bytes of one snapshot, picture or blob, None where there are none.

    Raises:
        StorageError: when they are damaged.
    """
    chosen = select(table).where(table.c.session_id == session_id, _key(table) == key)
    row = connection.execute(chosen).mappings().one_or_none()
    return None if row is None else read_content(row, f"{_NAMES[table.name]} {key} of session {session_id}")


def read_picture(connection: Connection, session_id: str, node: int | None) -> bytes | None:
    """The picture of a state; of none, that of where the session stands, else the newest there is. None where there is none.

    Raises:
        StorageError: when it is damaged.
    """
    table, places = schema.images, schema.positions
    if node is None:
        stands = select(places.c.node).where(places.c.session_id == session_id).order_by(places.c.cursor).limit(1)
        order = ((table.c.node == stands.scalar_subquery()).desc(), table.c.node.desc())
        node = (
            connection.execute(select(table.c.node).where(table.c.session_id == session_id).order_by(*order)).scalars().first()
        )
    return None if node is None else read_payload(connection, table, session_id, node)


def read_summaries(
    connection: Connection, *, search: str | None = None, only: str | None = None, owner: str | None = None
) -> list[SessionSummary]:
    """Sessions, the one that changed last first.

    Args:
        search: words, in upper or lower case; each is a part of the title, of the id, of the model's name or of any prompt, those of
            regions among them.
        only: the id of the one that is wanted.
        owner: whose; None = everybody's.
    """
    table = schema.sessions
    chosen = select(table, _count(schema.nodes).label("num_nodes"), _bytes().label("bytes"))
    chosen = chosen.order_by(table.c.updated.desc(), table.c.id)
    if only is not None:
        chosen = chosen.where(table.c.id == only)
    if owner is not None:
        chosen = chosen.where(table.c.owner == owner)
    for word in (search or "").split():
        named = (_holds(column, word) for column in (table.c.title, table.c.id, table.c.model))
        chosen = chosen.where(or_(*named, _is_said(word)))
    return [SessionSummary(**row) for row in connection.execute(chosen).mappings()]


def find_begun(connection: Connection, opened: SessionOpened) -> list[str]:
    """The ids of the sessions whose first event this is, the oldest first."""
    table = schema.events
    chosen = select(table.c.session_id).where(table.c.seq == opened.seq, table.c.sha256 == event_row(opened)["sha256"])
    chosen = chosen.join(schema.sessions, schema.sessions.c.id == table.c.session_id)
    return list(connection.execute(chosen.order_by(schema.sessions.c.created, schema.sessions.c.id)).scalars())


def find_id(connection: Connection, prefix: str) -> str:
    """The id that is `prefix` or alone begins with it.

    Raises:
        ConfigError: when none does, or several do.
    """
    ids = connection.execute(select(schema.sessions.c.id).order_by(schema.sessions.c.id)).scalars().all()
    found = [prefix] if prefix in ids else [session_id for session_id in ids if prefix and session_id.startswith(prefix)]
    if not found:
        raise ConfigError(f"No session's id begins with {prefix!r}: `ildm sessions list` shows those there are.")
    if len(found) > 1:
        shown = ", ".join(found[:4]) + (", ..." if len(found) > 4 else "")
        raise ConfigError(f"{len(found)} sessions' ids begin with {prefix!r} ({shown}): give more of the one you mean.")
    return found[0]


def _rows(connection: Connection, table: Table, session_id: str) -> Sequence[Any]:
    chosen = select(table).where(table.c.session_id == session_id).order_by(_key(table))
    return connection.execute(chosen).mappings().all()


def _keys(connection: Connection, table: Table, session_id: str) -> frozenset[Any]:
    chosen = select(_key(table)).where(table.c.session_id == session_id)
    return frozenset(connection.execute(chosen).scalars())


def _key(table: Table) -> Any:
    """What numbers or names a row within its session."""
    _, key = table.primary_key.columns
    return key


def _count(table: Table) -> Any:
    return select(func.count()).select_from(table).where(table.c.session_id == schema.sessions.c.id).scalar_subquery()


def _bytes() -> Any:
    tables = (schema.events, schema.snapshots, schema.images, schema.blobs)
    return sum(_length(table) for table in tables)


def _length(table: Table) -> Any:
    total = select(func.coalesce(func.sum(func.length(table.c.data)), 0))
    return total.where(table.c.session_id == schema.sessions.c.id).scalar_subquery()


def _is_said(word: str) -> Any:
    """Whether a prompt of the session in hand, or of a region in it, has a word in it."""
    nodes = schema.nodes.c
    # damaged settings say nothing
    settings = case((func.json_valid(nodes.settings), nodes.settings), else_="{}")
    parts = func.json_each(settings, "$.regions").table_valued("value")
    regional = select(parts.c.value).where(_holds(func.json_extract(parts.c.value, "$.prompt"), word)).exists()
    said = or_(_holds(func.json_extract(settings, "$.prompt"), word), regional)
    return select(nodes.id).where(nodes.session_id == schema.sessions.c.id, said).exists()


def _holds(column: Any, part: str) -> Any:
    return func.instr(func.casefold(column), part.casefold()) > 0
