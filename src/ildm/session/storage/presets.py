"""Presets: pieces of settings that a person has named, kept as opaque bytes beside the sessions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from ildm.core.errors import ConfigError, MissingError, TakenError, nearest
from ildm.session.storage.records import PresetSummary
from ildm.session.storage.rows import content_row, read_content
from ildm.session.storage.schema import presets as table
from ildm.session.storage.writer import Writer

MAX_NAME = 200
Reading = Callable[[], AbstractContextManager[Connection]]


class Presets:
    """Somebody's presets in a store. A kind has each name once. What changes them returns when it is durable.

    Args:
        reading: a connection to read from.
        clock: seconds since 1970.
        owner: "" = the person whose store it is.
    """

    def __init__(self, reading: Reading, writer: Writer, clock: Callable[[], float], owner: str = "") -> None:
        self._reading = reading
        self._writer = writer
        self._clock = clock
        self._owner = owner

    def of(self, owner: str) -> Presets:
        """Somebody else's."""
        return Presets(self._reading, self._writer, self._clock, owner)

    def save(self, kind: str, name: str, data: bytes, *, replace: bool = False) -> None:
        """Keep a preset.

        Args:
            replace: whether one of the same name may go for it.

        Raises:
            ConfigError: when the name is taken, empty or longer than 200 characters.
            StorageError: when it cannot be written.
        """
        _check_names(kind, name)
        row = {"owner": self._owner, "kind": kind, "name": name, "updated": self._clock(), **content_row(data)}
        statement = insert(table).values(row)
        changed = {key: statement.excluded[key] for key in ("updated", "sha256", "data")}
        chosen = (
            statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed)
            if replace
            else statement.on_conflict_do_nothing()
        )
        if not self._changed(chosen):
            raise _taken(kind, name)

    def all(self, kind: str | None = None) -> list[PresetSummary]:
        """The presets of a kind, or all, by name."""
        length = func.length(table.c.data).label("bytes")
        chosen = select(table.c.kind, table.c.name, table.c.updated, length).order_by(table.c.kind, table.c.name)
        chosen = chosen.where(table.c.owner == self._owner)
        if kind is not None:
            chosen = chosen.where(table.c.kind == kind)
        with self._reading() as connection:
            return [PresetSummary(**row) for row in connection.execute(chosen).mappings()]

    def load(self, kind: str, name: str) -> bytes:
        """The bytes of a preset.

        Raises:
            ConfigError: when there is none of that name (nearest match named).
            StorageError: when it is damaged.
        """
        with self._reading() as connection:
            row = connection.execute(select(table).where(self._is(kind, name))).mappings().one_or_none()
        if row is None:
            raise self._unknown(kind, name)
        return read_content(row, f"The {kind} preset {name!r}")

    def rename(self, kind: str, name: str, new_name: str) -> None:
        """Give a preset another name.

        Raises:
            ConfigError: when there is none of that name, or the new one cannot be had.
        """
        _check_names(kind, new_name)

        def task(connection: Connection) -> bool:
            if name != new_name and connection.execute(select(table.c.name).where(self._is(kind, new_name))).first():
                raise _taken(kind, new_name)
            return bool(connection.execute(update(table).where(self._is(kind, name)).values(name=new_name)).rowcount)

        if not self._writer.submit(task).result():
            raise self._unknown(kind, name)

    def delete(self, kind: str, name: str) -> None:
        """Forget a preset.

        Raises:
            ConfigError: when there is none of that name.
        """
        if not self._changed(delete(table).where(self._is(kind, name))):
            raise self._unknown(kind, name)

    def _changed(self, statement: Any) -> bool:
        return self._writer.submit(lambda connection: connection.execute(statement).rowcount > 0).result()

    def _is(self, kind: str, name: str) -> Any:
        return (table.c.owner == self._owner) & (table.c.kind == kind) & (table.c.name == name)

    def _unknown(self, kind: str, name: str) -> ConfigError:
        return MissingError(f"There is no {kind} preset {name!r}: {nearest(name, (preset.name for preset in self.all(kind)))}")


def _taken(kind: str, name: str) -> ConfigError:
    return TakenError(f"There is a {kind} preset {name!r} already: choose another name, or replace it.")


def _check_names(kind: str, name: str) -> None:
    for what, text in (("kind", kind), ("name", name)):
        if not text.strip() or len(text) > MAX_NAME:
            raise ConfigError(f"A preset's {what} has 1 to {MAX_NAME} characters, but {text[:80]!r} ({len(text)}) was given.")
