"""One session in the engine: its mailbox, whether it runs, and its turns."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ildm.core.errors import ConfigError, IldmError, StorageError
from ildm.core.types import Conditioning, Latent
from ildm.session.applying import encodings
from ildm.session.commands import (
    Cancel,
    Command,
    Compare,
    DislikeArea,
    OpenBranch,
    Pause,
    RedoArea,
    Resume,
    SetNegativePrompt,
    SetPreviewRate,
    SetPrompt,
    StartFromImage,
    StartOver,
    StepOnce,
)
from ildm.session.conditions import Conditions
from ildm.session.events import (
    CommandApplied,
    CommandRejected,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    SessionOpened,
    StateSaved,
    StepCompleted,
)
from ildm.session.keeping import Handed, Keeper, Keeping
from ildm.session.log import Log, LoggedCursor
from ildm.session.records import Status
from ildm.session.steering import estimate_of

_RESTARTS = (StartOver, StartFromImage, RedoArea, DislikeArea, Compare)
"""Commands after which a session that rests goes on by itself: what they ask for is yet to be made."""
_LATEST_WINS = (SetPrompt, SetNegativePrompt)
"""Commands that may wait for an encoding; one that is overtaken by a later one of its kind does not act any more."""

KEEP_INTERVAL = 0.25
"""Seconds of steps that are handed to the keeper together while a session runs: each hand-over costs as much as several states."""
RETRY = 0.2
"""Seconds between two tries to write to a disk that was full."""

_logger = logging.getLogger(__name__)


@runtime_checkable
class Previewer(Protocol):
    """Makes pictures of estimates, off the engine's thread; the newest wins."""

    def offer(self, session_id: str, node: int, estimate: Latent) -> None:
        """Take an estimate. Returns at once."""
        ...


@dataclass
class Received:
    """A command in the mailbox.

    Args:
        step: how many steps were done when it came.
        encoded: the prompts it waits for.
    """

    op: int
    command: Command
    step: int
    encoded: list[Future[Conditioning]] | None = None

    @property
    def ready(self) -> bool:
        """Whether it can act at once."""
        return self.encoded is not None and all(future.done() for future in self.encoded)


@dataclass
class LiveSession:
    """A session whose steps the engine makes. All but `receive` and `resting` belong to the engine's thread.

    Args:
        logged: its cursor.
        paused: whether it waits for `Resume` before its first step.
    """

    id: str
    logged: LoggedCursor
    keeper: Keeper | None
    previewer: Previewer | None
    paused: bool = False
    notify: Callable[[], None] = lambda: None
    resting: threading.Event = field(default_factory=threading.Event)
    status: Status = "running"
    preview_every: int = 1
    unsaved: deque[Handed] = field(default_factory=deque)
    _mailbox: deque[Received] = field(default_factory=deque)
    _waiting: list[Received] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _to_finish: deque[int] = field(default_factory=deque)
    _steps_left: int | None = None
    _full: bool = False
    _unkept: bool = False
    _kept_at: float = 0.0

    def __post_init__(self) -> None:
        self.keeping = Keeping(self.keeper, self.id)
        if self.logged.cursor.finished:
            self.status = "finished"
        elif self.paused:
            self.status = "paused"

    @property
    def log(self) -> Log:
        """All that has happened."""
        return self.logged.log

    @property
    def has_work(self) -> bool:
        """Whether its next turn would do something."""
        return self._runs or bool(self._mailbox) or any(one.ready for one in self._waiting) or self._can_settle

    def receive(self, command: Command, op: int | None = None) -> int:
        """Take a command, from any thread. Returns its number."""
        with self._lock:
            number = self.log.next_op() if op is None else op
            self._mailbox.append(Received(number, command, self.logged.cursor.node.step))
            self.resting.clear()
        return number

    def begin(self, *, fresh: bool) -> None:
        """Keep the first state, or count all that came back as kept."""
        if fresh:
            opened = self.log.events[0]
            assert isinstance(opened, SessionOpened)
            self._hand(self.keeping.begin(opened))
            self._keep()
        else:
            self.keeping.take_over(self.logged)
        self._rest_if_done()

    def turn(self, conditions: Conditions, patience: float) -> None:
        """Apply what is ready, and make one step if the session runs. Whatever goes wrong, other sessions go on."""
        try:
            self._turn(conditions, patience)
        except Exception as error:
            self._fail(error)
        self._rest_if_done()

    def _turn(self, conditions: Conditions, patience: float) -> None:
        events = len(self.log.events)
        self._settle_saved()
        self._drain(conditions, patience)
        if self._runs:
            self._step()
        self._unkept = self._unkept or any(not isinstance(one, StateSaved) for one in self.log.events[events:])
        if self._unkept and (not self._runs or time.monotonic() - self._kept_at > KEEP_INTERVAL):
            self._keep()

    def flush(self) -> None:
        """Wait until all is on the disk, or known not to be."""
        if self._unkept:
            self._keep()
        wait([one.future for one in self.unsaved], timeout=10.0)
        self._settle_saved()
        self.resting.set()

    # --- commands --------------------------------------------------------------------------------------------------------

    def _drain(self, conditions: Conditions, patience: float) -> None:
        with self._lock:
            arrived, self._mailbox = list(self._mailbox), deque()
        settings = self.logged.cursor.settings
        for one in arrived:
            one.encoded = [conditions.prepare(*key) for key in encodings(settings, one.command)]
            for future in one.encoded:
                # a session that rests would not look again by itself
                future.add_done_callback(lambda _: self.notify())
        self._waiting += arrived
        pending = [future for one in self._waiting for future in one.encoded or () if not future.done()]
        if pending:
            wait(pending, timeout=patience)
        still: list[Received] = []
        for place, one in enumerate(self._waiting):
            if one.ready:
                self._carry_out(one)
            elif self._overtaken(one, self._waiting[place + 1 :]):
                self._reject(one, "superseded", "A later command of the same kind took its place.")
            else:
                still.append(one)
        self._waiting = still

    def _overtaken(self, one: Received, later: list[Received]) -> bool:
        return isinstance(one.command, _LATEST_WINS) and any(
            type(two.command) is type(one.command) and two.ready for two in later
        )

    def _carry_out(self, one: Received) -> None:
        try:
            for future in one.encoded or ():
                future.result()  # a prompt that cannot be encoded is not tried again here
            if not self._flow(one):
                begun = self.logged.apply(one.command, op=one.op, received_step=one.step)
                self._to_finish = deque(begun[1:]) if begun else self._to_finish
                if isinstance(one.command, _RESTARTS):
                    self._go_on()
                elif self.status in ("finished", "paused"):
                    self.status = "finished" if self.logged.cursor.finished else "paused"
        except IldmError as error:
            self._reject(one, "bad-value" if isinstance(error, ConfigError) else "failed", str(error))
        except Exception as error:
            _logger.exception("A command of session %s failed.", self.id)
            self._reject(one, "failed", _sentence(error))

    def _flow(self, one: Received) -> bool:
        """Carry a command out that says when steps are made. Returns whether it was one."""
        match one.command:
            case Pause():
                self._accept(one)
                if self.status == "running":
                    self._pause()
            case Resume():
                self._may_run()
                self._accept(one)
                self._go_on()
            case StepOnce():
                self._may_run()
                self._accept(one)
                self._steps_left = 1
                self.status = "running"
            case Cancel():
                self._accept(one)
                self._to_finish.clear()
                self.status = "cancelled"
                self.log.add(RunCancelled)
            case SetPreviewRate(every=every):
                self._accept(one)
                self.preview_every = every
            case _:
                return False
        return True

    def _may_run(self) -> None:
        if self.logged.cursor.finished:
            raise ConfigError("All steps are done: rewind, start over or redo an area.")

    def _accept(self, one: Received) -> None:
        cursor = self.logged.cursor
        self.log.add(
            CommandApplied,
            op=one.op,
            command=one.command,
            received_step=one.step,
            applied_step=cursor.node.step,
            node=cursor.position.node,
        )

    def _reject(self, one: Received, code: str, text: str) -> None:
        self.log.add(CommandRejected, op=one.op, code=code, text=text)

    # --- steps -----------------------------------------------------------------------------------------------------------

    @property
    def _runs(self) -> bool:
        return self.status == "running" and not self._full

    def _go_on(self) -> None:
        if self.status != "running":
            self.log.add(RunResumed)
        self.status = "running"
        self._steps_left = None

    def _pause(self, reason: str | None = None) -> None:
        self.status = "paused"
        self.log.add(RunPaused, reason=reason)

    def _step(self) -> None:
        if self.logged.cursor.finished:
            self._finish_branch()
            return
        try:
            event = self.logged.step()
        except Exception as error:
            self._fail(error)
            return
        self._show(event)
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left == 0:
                self._steps_left = None
                self._pause()
        if self.logged.cursor.finished:
            self._finish_branch()

    def _finish_branch(self) -> None:
        while self._to_finish:
            branch = self._to_finish.popleft()
            if branch in self.logged.run.timeline.branches:
                self.logged.apply(OpenBranch(branch=branch))
                return
        self.status = "finished"

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, MemoryError | IldmError | RuntimeError):
            _logger.error("A turn of session %s failed.", self.id, exc_info=error)
        self.status = "failed"
        self.log.add(RunFailed, text=_sentence(error))

    def _show(self, event: StepCompleted) -> None:
        """Offer the picture behind a new state, where one is due."""
        due = self.logged.cursor.finished or (self.preview_every > 0 and event.step % self.preview_every == 0)
        if self.previewer is None or not due:
            return
        try:
            estimate = estimate_of(self.logged.run.state(event.node))
            if estimate is not None:
                self.previewer.offer(self.id, event.node, estimate)
        except Exception:
            _logger.exception("A preview of session %s failed.", self.id)

    # --- keeping ---------------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        self._unkept, self._kept_at = False, time.monotonic()
        self._hand(self.keeping.keep(self.logged, self.status))

    def _hand(self, handed: Handed | None) -> None:
        if handed is not None:
            self.unsaved.append(handed)
            handed.future.add_done_callback(lambda _: self.notify())

    @property
    def _can_settle(self) -> bool:
        if not self.unsaved or not self.unsaved[0].future.done():
            return False
        first = self.unsaved[0]
        return first.future.exception() is None or not self._full or time.monotonic() - first.tried > RETRY

    def _settle_saved(self) -> None:
        """Tell what lies on the disk by now. Where there was no room the session waits, and it is tried again, in order."""
        while self._can_settle:
            first = self.unsaved[0]
            problem = first.future.exception()
            if problem is not None and not isinstance(problem, StorageError):
                # not for want of room: another program goes on with this session
                self.unsaved.clear()
                if self.status != "failed":
                    self._fail(problem)
                return
            if problem is not None:
                if not self._full:
                    self._full = True
                    self.log.add(RunPaused, reason=str(problem))
                first.again()
                first.future.add_done_callback(lambda _: self.notify())
                return
            self.unsaved.popleft()
            for node in first.nodes:
                self.log.add(StateSaved, node=node)
            if self._full and not any(one.future.done() and one.future.exception() for one in self.unsaved):
                self._full = False
                self.resting.clear()
                # where a person has paused it meanwhile, it stays so
                self.log.add(RunPaused if self.status == "paused" else RunResumed)

    def _rest_if_done(self) -> None:
        with self._lock:
            busy = bool(self._mailbox) or bool(self._waiting) or self._runs or (bool(self.unsaved) and not self._full)
            if busy:
                self.resting.clear()
            else:
                self.resting.set()


def _sentence(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text.lower():
        return "There is not enough memory for this step: choose a smaller size, or close other sessions."
    return text if isinstance(error, IldmError) else f"This run cannot go on ({text})."
