"""Sessions that travel: out of a store into one file, and into another store. See `file` for the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ildm.core.errors import ConfigError, StorageError
from ildm.core.progress import Progress
from ildm.session.archive.content import Content, add_content, content_of, read_content
from ildm.session.archive.file import SUFFIX, TABLES, Archive, Manifest, new_archive, open_archive
from ildm.session.storage.batch import Batch
from ildm.session.storage.records import new_session_id
from ildm.session.storage.stored import StoredSession
from ildm.session.store import Store
from ildm.session.wire import MAX_TEXT


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import has come to.

    Args:
        session_id: the one in the archive, unless the session was here under another, or that was taken by other content.
        is_new: whether the session was not in the store before.
        beside: a session that was here with other content: the same one at another time, or another one of the archive's id.
    """

    session_id: str
    is_new: bool
    beside: str | None = None


def export_session(
    store: Store, session_id: str, path: Path, *, snapshots: bool = True, cursor: int = 0, progress: Progress | None = None
) -> list[str]:
    """Write a session to a file that `import_session` reads on any machine.

    Args:
        path: ends in .ildm; a former file of that name is replaced.
        snapshots: False leaves out the states of the samplers, which can be computed again: a small file.
        cursor: where it opens again, of several places in its tree.

    Returns:
        What could not be taken along, a sentence each: damaged snapshots and pictures, which can be computed again too.

    Raises:
        ConfigError: when there is no such session, or the name does not end in .ildm.
        StorageError: when the file cannot be written, or the session is damaged.
    """
    if path.suffix != SUFFIX:
        raise ConfigError(f"A session is exported to a file that ends in {SUFFIX}, but {path} was given.")
    left_out: list[str] = []
    with store.holding(session_id) as session, new_archive(path) as archive:
        pieces = list(_pieces(session, snapshots))
        add_content(archive, content_of(store, session))
        for done, (name, fetch) in enumerate(pieces, 1):
            data = _kept_or_told(fetch, left_out) if not name.startswith("blobs/") else fetch()
            if data is not None:
                archive.add(name, data)
            if progress is not None:
                progress(done, len(pieces))
        archive.finish(
            Manifest(
                session=session_id,
                title=session.summary.title[:MAX_TEXT],
                model=session.opened.model,
                model_hash=session.opened.model_hash,
                created=session.summary.created,
                members=archive.members,
                cursor=cursor,
            )
        )
    return left_out


def import_session(
    store: Store, path: Path, *, owner: str = "", most: int | None = None, progress: Progress | None = None
) -> Imported:
    """Read a session from a file into the store: all of it, or nothing.

    Args:
        owner: whose it becomes; what others have of it plays no part.
        most: see `read_content`.

    The same session is imported once only, whatever its ids; a second time brings back the snapshots that were pruned from it. Where
    the session is here and has gone on since, or had not come so far, what is in the file becomes a session of its own beside it.

    Raises:
        ProtocolError: when the file is no archive, is damaged, or comes from a newer version.
        StorageError: when there is no room.
    """
    with open_archive(path) as archive:
        # whoever wrote it goes on; the other sessions of its tree are where it was written
        content = read_content(archive, most).alone(archive.manifest.cursor)
        _verify(archive, progress)
        known = [one for one in _known(store, content) if one.summary.owner == owner]
        same = next((session for session in known if _is_same(store, session, content)), None)
        if same is not None:
            _restore(store, same, archive)
            return Imported(session_id=same.summary.id, is_new=False)
        session_id, taken = _free_id(store, archive.manifest.session)
        title, created = archive.manifest.title, archive.manifest.created
        store.adopt(session_id, content.opened, partial(_batches, archive, content), title=title, created=created, owner=owner)
    return Imported(session_id=session_id, is_new=True, beside=known[0].summary.id if known else taken)


def _pieces(session: StoredSession, snapshots: bool) -> Iterator[tuple[str, Callable[[], bytes | None]]]:
    """Every piece of bytes by its name in the archive."""
    for name in sorted(session.blob_ids):
        yield f"blobs/{name}", partial(session.blob, name)
    for node in sorted(session.image_nodes):
        yield f"images/{node}", partial(session.image, node)
    for node in sorted(session.snapshot_nodes) if snapshots else ():
        yield f"snapshots/{node}", partial(session.snapshot, node)


def _kept_or_told(fetch: Callable[[], bytes | None], left_out: list[str]) -> bytes | None:
    try:
        return fetch()
    except StorageError as error:
        left_out.append(str(error))
        return None


def _verify(archive: Archive, progress: Progress | None) -> None:
    """Read every piece once before any is written: while the store is written, no other program can write there."""
    names = [name for name in archive.manifest.members if name not in TABLES]
    for done, name in enumerate(names, 1):
        archive.read(name)
        folder, _, key = name.partition("/")
        if folder == "blobs" and archive.manifest.members[name] != key:
            raise archive.refusal(f"{name} is not what its name says")
        if progress is not None:
            progress(done, len(names))


def _known(store: Store, content: Content) -> Iterator[StoredSession]:
    """The sessions of the store that began as this one did, at the same moment: it, and what it became elsewhere."""
    for session_id in store.begun_with(content.opened):
        # one that is damaged, or is deleted meanwhile, is not the same any more
        with suppress(ConfigError, StorageError):
            yield store.load(session_id)


def _is_same(store: Store, session: StoredSession, content: Content) -> bool:
    try:
        return content_of(store, session) == content
    except StorageError:
        return False


def _free_id(store: Store, wanted: str) -> tuple[str, str | None]:
    """The id that is wanted, or a new one where that is taken; and the one that was taken."""
    if store.summary(wanted) is None:
        return wanted, None
    return new_session_id(), wanted


def _batches(archive: Archive, content: Content, now: float) -> Iterator[Batch]:
    """The session as batches, so that not all of it is in memory at once."""
    yield Batch(
        now=now,
        events=content.events,
        nodes=content.nodes,
        branches=content.branches,
        positions=content.positions,
        status="finished" if content.is_over else None,
    )
    for key in archive.keys("blobs"):
        yield Batch(now=now, blobs={key: archive.read(f"blobs/{key}")})
    for key in archive.keys("images"):
        yield Batch(now=now, images={int(key): archive.read(f"images/{key}")})
    for key in archive.keys("snapshots"):
        yield Batch(now=now, snapshots={int(key): archive.read(f"snapshots/{key}")})


def _restore(store: Store, session: StoredSession, archive: Archive) -> None:
    """Bring back what an archive has of a session that was pruned."""
    for key in archive.keys("snapshots"):
        if int(key) not in session.snapshot_nodes:
            store.append(session.summary.id, snapshots={int(key): archive.read(f"snapshots/{key}")}).result()
    for key in archive.keys("images"):
        if int(key) not in session.image_nodes:
            store.append(session.summary.id, images={int(key): archive.read(f"images/{key}")}).result()
