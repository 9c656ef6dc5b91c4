"""Where sessions are kept: one SQLite file that survives a kill at any moment, see `schema` for what is in it.

What `append` acknowledges is on the disk (write-ahead log, synchronous=FULL). Readers never wait for the writer.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Table, delete, update

from ildm.core.errors import MissingError
from ildm.core.files import home
from ildm.session.events import AnyEvent, SessionOpened
from ildm.session.storage import pruning, schema
from ildm.session.storage.batch import Batch, insert_session, write
from ildm.session.storage.connections import reading_engine, writing_engine
from ildm.session.storage.failures import told_plainly
from ildm.session.storage.migrations import prepare
from ildm.session.storage.presets import Presets
from ildm.session.storage.records import (
    BranchRecord,
    NodeRecord,
    PositionRecord,
    SessionSummary,
    Status,
    check_session_id,
)
from ildm.session.storage.stored import (
    StoredSession,
    find_begun,
    find_id,
    read_events,
    read_payload,
    read_picture,
    read_session,
    read_summaries,
)
from ildm.session.storage.writer import Writer

_NOTHING: Mapping[Any, bytes] = MappingProxyType({})


def default_path() -> Path:
    """Where a person's sessions are kept. Nothing is made here."""
    return home() / "sessions" / "sessions.sqlite"


class Store:
    """All sessions of a person, for any number of threads and programs at once.

    `presets` are the presets kept beside them. Callbacks of futures run on the writer's thread: they must not wait for the store.

    Args:
        path: of its file, made when it is not there; None = the person's own.
        clock: seconds since 1970.

    Raises:
        StorageError: when the file is something else, newer, damaged, or cannot be written.
    """

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        self.path = (path or default_path()).absolute()
        self._clock = clock
        prepare(self.path)
        self._reader = reading_engine(self.path)
        writing = writing_engine(self.path)
        self.writer = Writer(writing, self.path)
        self.presets = Presets(self._reading, self.writer, clock)
        # also at the program's end, so that what was sent is written even where nobody closed
        self._close = weakref.finalize(self, _close, self.writer, writing, self._reader)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and let the file go. A second call does nothing."""
        self._close()

    def create(self, session_id: str, opened: SessionOpened, *, title: str | None = None) -> Future[None]:
        """Begin a session with its first event.

        Args:
            title: None = its prompt, or the first that is set later.

        Returns:
            What is done once the session is durable. It fails with a ProtocolError when there is one of that id, with a
            StorageError when it cannot be written.

        Raises:
            ProtocolError: when the id cannot be one.
        """
        check_session_id(session_id)
        now, name = self._clock(), opened.settings.prompt if title is None else title

        def task(connection: Connection) -> None:
            insert_session(connection, session_id, title=name, model=opened.model, created=now, updated=now, status="running")
            write(connection, session_id, Batch(now=now, events=(opened,)))

        return self.writer.submit(task)

    def append(
        self,
        session_id: str,
        *,
        events: Iterable[AnyEvent] = (),
        nodes: Iterable[NodeRecord] = (),
        branches: Iterable[BranchRecord] = (),
        positions: Iterable[PositionRecord] = (),
        snapshots: Mapping[int, bytes] = _NOTHING,
        images: Mapping[int, bytes] = _NOTHING,
        blobs: Mapping[str, bytes] = _NOTHING,
        unneeded: Iterable[str] = (),
        forgotten: Iterable[int] = (),
        status: Status | None = None,
    ) -> Future[None]:
        """Add to a session, all at once or not at all. Batches of a session are written in the order they come.

        A batch that was sent before may come again, and one that begins with a session's opening makes it where it is missing.

        Args:
            events: the next ones of its log, without a gap.
            nodes, branches, positions: new ones, or what has become of those of the same number.
            snapshots, images: by node, which is there or in this batch.
            blobs: by their SHA-256.
            unneeded: blobs that go, because nothing refers to them any more.
            forgotten: nodes that go, with their snapshots and images.

        Returns:
            What is done once the batch is durable. It fails with a StorageError when the batch cannot be written, for want of
            room or because one before it was not; the same batches can be sent again, in the same order.
        """
        batch = Batch(
            now=self._clock(),
            events=tuple(events),
            nodes=tuple(nodes),
            branches=tuple(branches),
            positions=tuple(positions),
            snapshots=dict(snapshots),
            images=dict(images),
            blobs=dict(blobs),
            unneeded=tuple(unneeded),
            forgotten=tuple(forgotten),
            status=status,
        )
        return self.writer.submit(lambda connection: write(connection, session_id, batch))

    def adopt(
        self,
        session_id: str,
        opened: SessionOpened,
        batches: Callable[[float], Iterable[Batch]],
        *,
        title: str,
        created: float,
        owner: str = "",
    ) -> None:
        """Take over a whole session at once, as an archive has it. Nobody is running it yet.

        Args:
            batches: given the present time, all of the session; the first event is `opened`.
            created: seconds since 1970.
            owner: whose it is; "" = the person whose store it is.

        Raises:
            ProtocolError: when there is one of that id, or what comes is no session.
            StorageError: when it cannot be written.
        """
        check_session_id(session_id)
        now = self._clock()

        def task(connection: Connection) -> None:
            insert_session(
                connection, session_id, title=title, model=opened.model, created=created, updated=now, status="paused"
            )
            connection.execute(update(schema.sessions).where(schema.sessions.c.id == session_id).values(owner=owner))
            for batch in batches(now):
                write(connection, session_id, batch)

        self.writer.submit(task).result()

    def rename(self, session_id: str, title: str) -> None:
        """Give a session another title.

        Raises:
            ConfigError: when there is no such session.
        """
        table = schema.sessions
        statement = update(table).where(table.c.id == session_id).values(title=title)
        if not self.writer.submit(lambda connection: connection.execute(statement).rowcount).result():
            raise MissingError(f"There is no session {session_id} in the store.")

    def give(self, session_id: str, owner: str) -> Future[None]:
        """Say whose a session is: "" = the person whose store it is. A session that is being created may be given already."""
        table = schema.sessions
        statement = update(table).where(table.c.id == session_id).values(owner=owner)

        def task(connection: Connection) -> None:
            connection.execute(statement)

        return self.writer.submit(task)

    def delete(self, session_id: str) -> None:
        """Forget a session and all that was kept of it.

        Raises:
            ConfigError: when there is no such session.
            StorageError: when the store cannot be written.
        """
        statement = delete(schema.sessions).where(schema.sessions.c.id == session_id)
        if not self.writer.submit(lambda connection: connection.execute(statement).rowcount, grows=False).result():
            raise MissingError(f"There is no session {session_id} in the store.")

    def sessions(self, search: str | None = None, *, owner: str | None = None) -> list[SessionSummary]:
        """What there is, the session that changed last first.

        Args:
            search: words, in upper or lower case; each is a part of the title, of the id, of the model's name or of any prompt, those
                of regions among them.
            owner: whose; None = everybody's.
        """
        with self._reading() as connection:
            return read_summaries(connection, search=search, owner=owner)

    def summary(self, session_id: str) -> SessionSummary | None:
        """A session as a list shows it, None where there is none."""
        with self._reading() as connection:
            return next(iter(read_summaries(connection, only=session_id)), None)

    def begun_with(self, opened: SessionOpened) -> list[str]:
        """The ids of the sessions that began with just this event, the oldest first: copies of one, and what became of them."""
        with self._reading() as connection:
            return find_begun(connection, opened)

    def find(self, prefix: str) -> str:
        """The id of the session that alone begins with `prefix`.

        Raises:
            ConfigError: when none does, or several do.
        """
        with self._reading() as connection:
            return find_id(connection, prefix)

    def events(self, session_id: str, since: int = 0, last: int | None = None) -> list[AnyEvent]:
        """The log of a session from event number `since` on, to number `last`; None = all that there is.

        Raises:
            StorageError: when one of them is damaged.
        """
        with self._reading() as connection:
            return read_events(connection, session_id, since, last)

    def picture(self, session_id: str, node: int | None = None) -> bytes | None:
        """The picture that was kept of a state, and nothing else of the session; None where there is none.

        Args:
            node: None = where the session stands, else the newest that there is.

        Raises:
            StorageError: when it is damaged.
        """
        with self._reading() as connection:
            return read_picture(connection, session_id, node)

    def load(self, session_id: str) -> StoredSession:
        """A session as last saved; its bytes are read, and checked, when they are asked for.

        Raises:
            ConfigError: when there is no such session.
            StorageError: when what every session needs is damaged.
        """

        def fetch(table: Table, key: int | str) -> bytes | None:
            with self._reading() as connection:
                return read_payload(connection, table, session_id, key)

        with self._reading() as connection:
            return read_session(connection, session_id, fetch)

    @contextmanager
    def holding(self, session_id: str) -> Generator[StoredSession, None, None]:
        """A session whose bytes stay as they are until the block is left, whatever is written meanwhile; for one thread.

        Raises:
            ConfigError, StorageError: as `load`.
        """
        with self._reading() as connection:
            yield read_session(connection, session_id, lambda table, key: read_payload(connection, table, session_id, key))

    def prunable(self, *, keep: int | None = None, older_than: timedelta | None = None) -> list[SessionSummary]:
        """The sessions that `prune` would take with the same conditions.

        Raises:
            ConfigError: when a condition is negative.
        """
        return pruning.choose(self.sessions(), self._clock(), keep=keep, older_than=older_than)

    def prune(self, *, keep: int | None = None, older_than: timedelta | None = None, snapshots_only: bool = False) -> int:
        """Delete old sessions, or only their snapshots, and give the room back to the disk.

        Args:
            keep: how many of those that changed last are left alone.
            older_than: how long nothing has changed in those that go; with `keep`, both must hold.
            snapshots_only: delete what can be computed again, and nothing else; without another condition, of all sessions.

        Returns:
            The bytes that the disk got back.

        Raises:
            ConfigError: when nothing says which sessions, or a condition is negative.
            StorageError: when the store cannot be written.
        """
        pruning.check_given(keep, older_than, snapshots_only)
        chosen = [session.id for session in self.prunable(keep=keep, older_than=older_than)]
        before = pruning.bytes_on_disk(self.path)
        pruning.make_ready(self.path)

        def task(connection: Connection) -> None:
            pruning.remove(connection, chosen, snapshots_only=snapshots_only)

        self.writer.submit(task, grows=False).result()
        pruning.shrink(self.path)
        return max(0, before - pruning.bytes_on_disk(self.path))

    @contextmanager
    def _reading(self) -> Generator[Connection, None, None]:
        with told_plainly(self.path), self._reader.begin() as connection:
            yield connection


def _close(writer: Writer, *engines: Engine) -> None:
    writer.close()
    for engine in engines:
        engine.dispose()
