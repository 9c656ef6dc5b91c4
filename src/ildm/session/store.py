"""Where sessions are kept: one SQLite file that survives a kill at any moment, see `schema` for what is in it.

What `append` acknowledges is on the disk (write-ahead log, synchronous=FULL). What there is to read is in `storage.reader`.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, delete, update

from ildm.core.errors import MissingError
from ildm.core.files import home
from ildm.session.events import AnyEvent, SessionOpened
from ildm.session.storage import pruning, schema
from ildm.session.storage.batch import Batch, insert_session, write
from ildm.session.storage.connections import reading_engine, writing_engine
from ildm.session.storage.migrations import prepare
from ildm.session.storage.presets import Presets
from ildm.session.storage.reader import Reader
from ildm.session.storage.records import (
    BranchRecord,
    NodeRecord,
    PositionRecord,
    SessionSummary,
    Status,
    check_session_id,
)
from ildm.session.storage.writer import Writer

_NOTHING: Mapping[Any, bytes] = MappingProxyType({})


def default_path() -> Path:
    """Where a person's sessions are kept. Nothing is made here."""
    return home() / "sessions" / "sessions.sqlite"


class Store(Reader):
    """All sessions of a person, for any number of threads and programs at once; readers never wait for the writer.

    `presets` are the presets kept beside them. Callbacks of futures run on the writer's thread: they must not wait for the store.

    Args:
        path: of its file, made when it is not there; None = the person's own.
        clock: seconds since 1970.

    Raises:
        StorageError: when the file is something else, newer, damaged, or cannot be written.
    """

    def __init__(self, path: Path | None = None, *, clock: Callable[[], float] = time.time) -> None:
        file = (path or default_path()).absolute()
        prepare(file)
        reading = reading_engine(file)
        super().__init__(file, reading)
        self._clock = clock
        writing = writing_engine(self.path)
        self.writer = Writer(writing, self.path)
        self.presets = Presets(self._reading, self.writer, clock)
        # also at the program's end, so that what was sent is written even where nobody closed
        self._close = weakref.finalize(self, _close, self.writer, writing, reading)

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


def _close(writer: Writer, *engines: Engine) -> None:
    writer.close()
    for engine in engines:
        engine.dispose()
