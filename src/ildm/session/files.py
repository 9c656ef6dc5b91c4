"""Sessions as files: a picture that brings its whole session along, an archive, and the way back."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ildm.core.errors import ConfigError, StorageError
from ildm.core.types import Latent
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.archive.carried import archive_in, archive_texts
from ildm.session.archive.file import SUFFIX
from ildm.session.archive.transfer import export_session as export_stored
from ildm.session.archive.transfer import import_session
from ildm.session.events import AnyEvent, SessionOpened
from ildm.session.keeping import Keeping, restore
from ildm.session.log import Log, LoggedCursor
from ildm.session.pictures.file import write_picture
from ildm.session.storage.records import Status, new_session_id
from ildm.session.storage.stored import StoredSession
from ildm.session.store import Store
from ildm.session.wire import to_msgpack

MAX_CARRIED = 16 * 2**20
"""Bytes of a session that a picture carries at most; a larger one it only names."""


@dataclass(frozen=True)
class SessionFile:
    """A session in a file, open for reading.

    Args:
        stored: all of it but its bytes.
        events: its log.
    """

    stored: StoredSession
    events: list[AnyEvent]

    @property
    def opened(self) -> SessionOpened:
        """What it began with."""
        return self.stored.opened

    @property
    def adapters(self) -> set[str]:
        """The names of those that its regions wear."""
        settings = (node.settings for node in self.stored.nodes)
        return {lora.name for one in settings for region in one.regions for lora in region.loras}

    def latent(self, node: int) -> Latent | None:
        """The latent that was kept of a state, if one was."""
        try:
            data = self.stored.snapshot(node)
        except StorageError:
            return None
        return None if data is None else SamplerState.from_bytes(data).latent

    def restore(self, model: Model) -> LoggedCursor:
        """Its tree, from where it was written, with all states that were kept: the file may be gone when they are asked for."""
        [logged] = restore(model, self.stored, self.events).values()
        logged.run.read_all()
        return logged


def export_session(logged: LoggedCursor, path: Path, *, snapshots: bool = True) -> None:
    """Write a live run with its whole log into one file.

    Args:
        path: ends in .ildm.
        snapshots: False leaves out what can be computed again.

    Raises:
        ConfigError: when the name ends otherwise.
        StorageError: when it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="ildm-") as folder, Store(Path(folder) / "session.sqlite") as store:
        keeping = Keeping(store, new_session_id())
        for handed in (keeping.begin(_opening(logged.log)), keeping.keep(logged, _status(logged))):
            assert handed is not None
            handed.future.result()
        export_stored(store, keeping.session_id, path, snapshots=snapshots, cursor=logged.cursor.number)


def save_picture(logged: LoggedCursor, path: Path) -> None:
    """Write the picture that a cursor stands at as a PNG which restores the session, and replays it.

    It carries the settings as `ildm generate` writes them, the A1111 `parameters`, the hashes of log and model, and the session
    without its states; a session of more than `MAX_CARRIED` bytes is only named.

    Raises:
        ConfigError: when the name does not end in .png.
        StorageError: when it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise ConfigError(f"A picture that carries its session is a PNG file, but {path} was given: let the name end in .png.")
    cursor, model = logged.cursor, logged.run.model
    settings = cursor.node.settings  # those that made the picture; others may wait for what comes next
    call: dict[str, Any] = {
        "prompt": settings.prompt,
        "seed": settings.seed,
        "negative_prompt": settings.negative_prompt,
        "num_steps": settings.num_steps,
        "guidance_scale": settings.guidance_scale,
        "guidance_rescale": settings.guidance_rescale,
        "sampler": settings.sampler,
        "width": settings.width,
        "height": settings.height,
        "model": model.manifest.name,
        "model_hash": model.hash,
        "log_hash": log_hash(logged.log),
        "state": cursor.position.node,
    }
    if settings.regions:
        # for people: their masks come with the session
        told = [one.model_dump(mode="json", exclude={"mask"}, exclude_defaults=True) for one in settings.regions]
        rules = {"region_mode": settings.region_mode, "overlap": settings.overlap, "common_prompt": settings.common_prompt}
        call |= {"regions": told, **rules}
    with tempfile.TemporaryDirectory(prefix="ildm-") as folder:
        archive = Path(folder) / f"session{SUFFIX}"
        export_session(logged, archive, snapshots=False)
        data = archive.read_bytes()
    extra = archive_texts(data) if len(data) <= MAX_CARRIED else {}
    write_picture(logged.run.picture(cursor.position.node), path, call, extra)


@contextmanager
def open_session_file(path: Path) -> Generator[SessionFile, None, None]:
    """The session in an archive, or in a picture that carries one.

    Raises:
        DataError: for a missing file, or a picture without a session.
        ProtocolError: for a damaged one.
    """
    with (
        archive_in(path) as archive,
        tempfile.TemporaryDirectory(prefix="ildm-") as folder,
        Store(Path(folder) / "session.sqlite") as store,
    ):
        session_id = import_session(store, archive).session_id
        yield SessionFile(store.load(session_id), store.events(session_id))


def log_hash(log: Log) -> str:
    """A SHA-256 over what happened; when it happened plays no part."""
    digest = hashlib.sha256()
    for event in log.events:
        digest.update(
            to_msgpack(event.model_copy(update={"at": 0.0} | ({"seconds": 0.0} if hasattr(event, "seconds") else {})))
        )
    return digest.hexdigest()


def _status(logged: LoggedCursor) -> Status:
    return "finished" if logged.cursor.finished else "paused"


def _opening(log: Log) -> SessionOpened:
    opened = log.events[0]
    assert isinstance(opened, SessionOpened)
    return opened
