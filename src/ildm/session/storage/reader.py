"""What there is in a store of sessions, to be read by any number of threads and programs while another one writes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table

from ildm.session.events import AnyEvent, SessionOpened
from ildm.session.storage.failures import told_plainly
from ildm.session.storage.records import SessionSummary
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


class Reader:
    """All sessions of a store, as they were last written. Nobody waits for it, and it waits for nobody.

    Args:
        path: of the store's file.
        engine: opens connections that cannot write.
    """

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine = engine

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

    @contextmanager
    def _reading(self) -> Generator[Connection, None, None]:
        with told_plainly(self.path), self._engine.begin() as connection:
            yield connection
