"""The engine: one thread that owns a model and its device, and gives every running session one step in turn.

A turn is: drain commands -> apply what is ready at the step boundary -> step -> keep the state -> preview if due -> publish.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from ildm.core.errors import ConfigError, IldmError, MissingError, TakenError
from ildm.core.threads import compute_alone, release_helpers
from ildm.model import Model
from ildm.session.calls import Calls, refused
from ildm.session.commands import Command
from ildm.session.composing import words_of
from ildm.session.conditions import Conditions
from ildm.session.cursor import Cursor
from ildm.session.events import AnyEvent
from ildm.session.keeping import Keeper, restore
from ildm.session.live import LiveSession
from ildm.session.log import Log, LoggedCursor, open_log
from ildm.session.run import SNAPSHOT_BUDGET, Run
from ildm.session.same_model import check_same_model
from ildm.session.saving import RETRY
from ildm.session.settings import Settings
from ildm.session.showing import Previewer
from ildm.session.storage.records import Status, new_session_id
from ildm.session.storage.stored import StoredSession

PATIENCE = 0.005
"""Seconds that a step boundary waits at most for a prompt which is being encoded."""
SMALL_ENCODER = 0.02
"""An encoder that takes fewer seconds than this is waited for whatever else the machine does, so that its edits are never late."""

_logger = logging.getLogger(__name__)


class Engine:
    """Live sessions of one model.

    Every method may be called from any thread. Events come to listeners on the engine's thread, which must not be held up.

    Args:
        model: owned by the engine from now on.
        keeper: where sessions are kept; None = nowhere.
        previewer: shown the estimates of sessions that have previews; None = nobody is.
        budget: bytes of states in memory, per session.
        device: held during each turn; engines that compute on the same device are given the same one.
    """

    def __init__(
        self,
        model: Model,
        *,
        keeper: Keeper | None = None,
        previewer: Previewer | None = None,
        budget: int = SNAPSHOT_BUDGET,
        device: AbstractContextManager[Any] | None = None,
    ) -> None:
        self.model = model
        self._keeper, self._previewer, self._budget = keeper, previewer, budget
        self._device = device or nullcontext()
        self._encoder, self._finder = (
            ThreadPoolExecutor(1, thread_name_prefix=f"ildm-{name}", initializer=compute_alone)
            for name in ("encoder", "finder")
        )
        self._conditions = Conditions(model, self._encoder)
        self.patience = self._measure_patience()
        self._sessions: dict[str, LiveSession] = {}
        self._order: deque[str] = deque()
        self._calls = Calls()
        # the model is the engine's now, and so are the cores
        release_helpers()
        self._thread = threading.Thread(target=self._loop, name="ildm-engine", daemon=True)
        self._thread.start()

    def open(self, settings: Settings, session_id: str | None = None, *, paused: bool = False) -> Future[str]:
        """Begin a session. The future gives its id, or says why it cannot begin."""
        number, size = session_id or new_session_id(), settings.size
        encoded = [self._conditions.prepare(words, size) for words in words_of(settings)]

        def begin() -> str:
            for future in encoded:
                future.result()
            if number in self._sessions:
                raise TakenError(f"There is a session {number!r} already: choose another id.")
            cursor = Cursor.begin(Run(self.model, conditions=self._conditions, budget=self._budget), settings)
            status: Status = "paused" if paused else "running"
            self._add(LiveSession(number, open_log(cursor, Log()), self._keeper, self._previewer, status), fresh=True)
            return number

        return self._calls.after(encoded, begin)

    def resume(
        self, session_id: str, stored: StoredSession, events: Sequence[AnyEvent], *, status: Status | None = None
    ) -> Future[str]:
        """Go on with a session that was kept, from its last saved state. The future gives its id, or says why it cannot go on here.

        Args:
            status: "paused" to look first, "running" to go on in any case; None = as it was: one that was paused or cancelled stays so.
        """

        def make() -> dict[int, LoggedCursor]:
            otherwise = "open it with the model that it was made with"
            check_same_model(self.model, stored.opened, session=f"Session {session_id}", otherwise=otherwise)
            return restore(self.model, stored, events, conditions=self._conditions, budget=self._budget)

        # as when a session begins, nobody else is held up meanwhile
        restored = None if session_id in self._sessions else self.beside(make)
        keys = [(words, record.settings.size) for record in stored.positions for words in words_of(record.settings)]
        encoded = [self._conditions.prepare(*key) for key in keys]

        def take_up() -> str:
            if session_id in self._sessions:
                self._sessions[session_id].check_open()
            else:
                cursors = make() if restored is None else restored.result()
                as_kept = status or stored.summary.status
                mine = cursors.pop(min(cursors))
                self._add(LiveSession(session_id, mine, self._keeper, self._previewer, as_kept), fresh=False)
                for other in cursors.values():
                    other.leave()
            return session_id

        return self._calls.after(encoded if restored is None else [*encoded, restored], take_up)

    def close_session(self, session_id: str, *, keep: bool = True) -> Future[None]:
        """Let a session go from memory. The future is done once what was made until now lies where sessions are kept; until then
        nothing more is made, and no command is taken.

        Args:
            keep: False = at once, for whoever does not want the session any more.

        The future fails with a StorageError when there is no room: then the session stays open.
        """

        def let_go() -> list[Future[None]]:
            session = self._session(session_id)
            unkept = session.stop(self._conditions, self._finder, self.patience) if keep else []
            if not unkept:
                session.leave()
                del self._sessions[session_id]
                self._order.remove(session_id)
            return unkept

        return self._calls.until(let_go)

    def submit(self, session_id: str, command: Command, op: int | None = None) -> int:
        """Ask for something. It acts at the next step boundary; the log says when. Returns the command's number.

        Raises:
            ConfigError: for an unknown session, or a closed engine.
        """
        session = self._session(session_id)
        if self._calls.closed:
            raise ConfigError("The engine has been closed.")
        number = session.receive(command, op, self._conditions)
        self._calls.wake()
        return number

    def listen(self, session_id: str, listener: Callable[[AnyEvent], None]) -> list[AnyEvent]:
        """Hear of a session's events from now on. Returns those until now: nothing is missed, nothing comes twice.

        Raises:
            ConfigError: for an unknown session.
        """
        session = self._session(session_id)

        def add() -> list[AnyEvent]:
            session.log.listeners.append(listener)
            return list(session.log.events)

        return self._calls.call(add).result()

    def unlisten(self, session_id: str, listener: Callable[[AnyEvent], None]) -> None:
        """Hear no more of a session; nothing comes once this has returned. It does not matter whether it is open, or was listened to."""

        def remove() -> None:
            session = self._sessions.get(session_id)
            if session is not None and listener in session.log.listeners:
                session.log.listeners.remove(listener)

        self._calls.call(remove).result()

    def on_thread(self, work: Callable[[], Any]) -> Future[Any]:
        """Do something between two steps, on the thread that owns the model."""
        return self._calls.call(work)

    def beside(self, work: Callable[[], Any]) -> Future[Any]:
        """Do something with the model on a thread of its own kind, while steps are made."""
        try:
            return self._finder.submit(work)
        except RuntimeError:  # it is being shut down, and the engine with it
            return refused()

    def session(self, session_id: str) -> LiveSession:
        """A session, to be looked at on the engine's thread only.

        Raises:
            ConfigError: for an unknown session.
        """
        return self._session(session_id)

    def wait(self, session_id: str, timeout: float | None = None) -> bool:
        """Wait until a session rests: finished, paused, cancelled or failed, with nothing more to apply and all of it kept."""
        return self._session(session_id).resting.wait(timeout)

    def close(self) -> None:
        """Finish the step in flight, keep what there is, and end the thread."""
        self._calls.close()
        self._thread.join()
        self._finder.shutdown()
        self._encoder.shutdown()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- the engine's thread ---------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while self._calls.wait(self._has_work, self._pause_length):
            self._calls.carry_out()
            if self._order:
                self._order.rotate(-1)
                for session in [self._sessions[session_id] for session_id in self._order]:
                    if session.has_work:
                        with self._device:
                            session.turn(self._conditions, self._finder, self.patience)
        for session in self._sessions.values():
            session.flush()

    def _has_work(self) -> bool:
        return any(session.has_work for session in self._sessions.values())

    def _pause_length(self) -> float | None:
        """How long nothing has to be looked after: until the next try to write, or for ever."""
        return RETRY if any(session.saving.is_waiting for session in self._sessions.values()) else None

    def _add(self, session: LiveSession, *, fresh: bool) -> None:
        session.notify = self._calls.wake
        session.begin(fresh=fresh)
        self._sessions[session.id] = session
        self._order.append(session.id)

    def _session(self, session_id: str) -> LiveSession:
        if session_id not in self._sessions:
            raise MissingError(f"There is no open session {session_id!r}: open it first.")
        return self._sessions[session_id]

    def _measure_patience(self) -> float:
        text = "a red apple on a plain blue background" if self.model.conditioner is not None else ""
        took = []
        for _ in range(2):
            began = time.perf_counter()
            with suppress(IldmError):  # some models know classes only
                self.model.condition([text])
            took.append(time.perf_counter() - began)
        return 50 * SMALL_ENCODER if min(took) < SMALL_ENCODER else PATIENCE
