"""The engines of a process: one for each model in memory, on one device; the one that was used longest ago goes first."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ildm.checkpoint.load import load
from ildm.checkpoint.named import known_names
from ildm.core.errors import MissingError, nearest
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.blobs import Blobs
from ildm.session.engine import Engine
from ildm.session.frames import Frame, FrameEncoder, make_preview, to_jpeg
from ildm.session.keeping import Keeper
from ildm.session.previews.files import find_preview
from ildm.session.refusals import NotNow
from ildm.session.service.turns import Turns
from ildm.session.shown import Finish, preview_finish
from ildm.session.steering import estimate_of
from ildm.session.storage.stored import StoredSession

FRAME_RATE = 30.0
"""Previews a second and session at most: a screen shows no more, and an edit is to be seen at once."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A model in memory with all that makes pictures of it."""

    name: str
    engine: Engine
    frames: FrameEncoder

    def close(self) -> None:
        """Keep what there is, and let it go."""
        self.engine.close()
        self.frames.close()


class Engines:
    """Engines by the names of their models. Every method may be called from any thread.

    Args:
        keeper: where sessions are kept.
        deliver: given each preview, on a thread of its own.
        most: models in memory at once.
        read: loads a model by its name.
    """

    def __init__(
        self, keeper: Keeper, deliver: Callable[[Frame], None], *, most: int = 2, read: Callable[[str], Model] = load
    ) -> None:
        self._keeper, self._deliver, self._most, self._read = keeper, deliver, most, read
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._turns = Turns()
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._used_by: dict[str, str] = {}

    def of_model(self, name: str) -> Engine:
        """The engine of a model, loaded if need be; then the one that was used longest ago and has no session goes.

        Raises:
            ConfigError: when no model has that name.
            CheckpointError: when it cannot be loaded; those that are there stay.
            NotNow: when there is no room for another model.
        """
        found = self._find(name)  # whoever uses what is there waits for nobody's loading
        if found is not None:
            return found.engine
        with self._loading:
            found = self._find(name)
            if found is not None:
                return found.engine
            if name not in known_names():
                raise MissingError(f"There is no model {name!r}: {nearest(name, known_names())}")
            self._check_room()
            loaded = self._load(name)
            try:
                leaving = self._put(name, loaded)
            except NotNow:
                loaded.close()  # while it was loaded, somebody has begun to use what was to go for it
                raise
            if leaving is not None:
                leaving.close()
            return loaded.engine

    def of_session(self, session_id: str) -> Engine:
        """The engine in which a session is open.

        Raises:
            ConfigError: when it is open in none.
        """
        with self._lock:
            name = self._used_by.get(session_id)
            if name is None or name not in self._loaded:
                raise MissingError(f"There is no open session {session_id!r}: open it first.")
            return self._loaded[name].engine

    def assign(self, session_id: str, model: str) -> None:
        """Note which model a session is about to use, so that it stays."""
        with self._lock:
            self._used_by[session_id] = model

    def release(self, session_id: str) -> None:
        """Note that a session uses its model no more."""
        with self._lock:
            name = self._used_by.pop(session_id, None)
            loaded = self._loaded.get(name or "")
        if loaded is not None:
            loaded.frames.forget(session_id)

    def jpeg_of(self, session_id: str, node: int | None) -> tuple[bytes, int]:
        """A preview of a state, None = of where the session stands. Returns a JPEG's bytes, and which state it shows."""
        engine = self.of_session(session_id)
        with self._lock:
            preview = self._loaded[self._used_by[session_id]].frames.preview

        def look() -> tuple[bytes, int]:
            cursor = engine.session(session_id).logged.cursor
            number = cursor.position.node if node is None else node
            return to_jpeg(make_preview(preview, cursor.run.estimate(number), cursor.run.preview_finish(number))), number

        return engine.on_thread(look).result()

    def has(self, session_id: str) -> bool:
        """Whether a session is open in one of them, or about to be."""
        with self._lock:
            return session_id in self._used_by

    def glance(self, stored: StoredSession, node: int | None) -> tuple[bytes, int]:
        """A preview of a session as it was kept, without opening it. Returns as `jpeg_of`.

        Raises:
            MissingError: when its model is not in memory, or the state was not kept, or shows nothing yet.
        """
        with self._lock:
            loaded = self._loaded.get(stored.opened.model)
        stands = min(stored.positions, key=lambda one: one.cursor, default=None)
        number = node if node is not None else 0 if stands is None else stands.node
        data = stored.snapshot(number)
        if loaded is None or data is None or loaded.engine.model.hash != stored.opened.model_hash:
            raise MissingError(f"State {number} cannot be shown without opening the session.")

        def look() -> bytes:
            estimate = estimate_of(SamplerState.from_bytes(data, loaded.engine.model.device))
            if estimate is None:
                raise MissingError("There is nothing to see yet: make a step first.")
            return to_jpeg(make_preview(loaded.frames.preview, estimate, _finish(loaded.engine.model, stored, number)))

        return loaded.engine.on_thread(look).result(), number

    @property
    def dropped(self) -> int:
        """How many previews were overtaken so far."""
        with self._lock:
            return sum(loaded.frames.dropped for loaded in self._loaded.values())

    def close(self) -> None:
        """Keep what there is, and let all go."""
        with self._lock:
            leaving, self._loaded = list(self._loaded.values()), OrderedDict()
        for loaded in leaving:
            loaded.close()

    def _find(self, name: str) -> Loaded | None:
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)

    def _check_room(self) -> None:
        with self._lock:
            if len(self._loaded) >= self._most and self._resting() is None:
                raise NotNow(
                    f"{len(self._loaded)} models are in use, and no more fit: close the sessions of one, or take one of them "
                    f"({', '.join(self._loaded)})."
                )

    def _put(self, name: str, loaded: Loaded) -> Loaded | None:
        """Keep a model. Returns the one that goes for it, if one must."""
        self._check_room()
        with self._lock:
            resting = self._resting()
            leaving = self._loaded.pop(resting) if len(self._loaded) >= self._most and resting is not None else None
            self._loaded[name] = loaded
            return leaving

    def _resting(self) -> str | None:
        """The model that was used longest ago of those without a session."""
        used = set(self._used_by.values())
        return next((name for name in self._loaded if name not in used), None)

    def _load(self, name: str) -> Loaded:
        model = self._read(name)
        frames = FrameEncoder(find_preview(model, name), self._deliver, rate=FRAME_RATE)
        return Loaded(name, Engine(model, keeper=self._keeper, previewer=frames, device=self._turns), frames)


def _finish(model: Model, stored: StoredSession, number: int) -> Finish | None:
    """What is done to a preview of a stored session's state."""
    node, blobs = next((node for node in stored.nodes if node.id == number), None), Blobs()
    if node is None:
        return None
    for name in filter(None, (node.settings.shown, node.settings.hole)):
        data = stored.blob(name)
        if data is not None:
            blobs.put(data)
    return preview_finish(model, blobs, node.settings)
