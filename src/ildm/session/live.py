"""One session in the engine: what acts on it, whether it runs, and its turns."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from ildm.core.errors import IldmError, MissingError
from ildm.session.commands import (
    Cancel,
    Command,
    Compare,
    DislikeArea,
    OpenBranch,
    Pause,
    RedoArea,
    Resume,
    SetPreviewRate,
    StartFromImage,
    StartOver,
    StepOnce,
)
from ildm.session.conditions import Conditions
from ildm.session.events import (
    CommandApplied,
    CommandRejected,
    RejectionCode,
    RunCancelled,
    RunFailed,
    RunPaused,
    RunResumed,
    SessionOpened,
    StateSaved,
)
from ildm.session.failures import in_a_sentence, is_expected
from ildm.session.inbox import Inbox
from ildm.session.keeping import Keeper, Keeping
from ildm.session.log import Log, LoggedCursor
from ildm.session.mailbox import Received
from ildm.session.refusals import NotNow, code_of
from ildm.session.saving import Lost, NoRoom, RoomAgain, Saved, Saving
from ildm.session.showing import Previewer, Showing
from ildm.session.storage.records import Status

_RESTARTS = (StartOver, StartFromImage, RedoArea, DislikeArea, Compare)
"""Commands after which a session that rests goes on by itself: what they ask for is yet to be made."""
_logger = logging.getLogger(__name__)


@dataclass
class LiveSession:
    """A session whose steps the engine makes. All but `receive` and `resting` belong to the engine's thread.

    Args:
        logged: its cursor.
        status: "running" goes on by itself; in any other the session waits for a command.

    `watch` is called after each turn.
    """

    id: str
    logged: LoggedCursor
    keeper: Keeper | None
    previewer: Previewer | None
    status: Status = "running"
    notify: Callable[[], None] = lambda: None
    watch: Callable[[], None] = lambda: None
    resting: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _to_finish: deque[int] = field(default_factory=deque)
    _steps_left: int | None = None
    _unkept: bool = False
    _gone: bool = False

    def __post_init__(self) -> None:
        self._inbox = Inbox(self.logged, lambda: self.notify())
        self._showing = Showing(self.id, self.previewer)
        self.saving = Saving(Keeping(self.keeper, self.id), lambda: self.notify())
        if self.logged.cursor.finished:
            self.status = "finished"
        elif self.status == "finished":
            self.status = "paused"

    @property
    def log(self) -> Log:
        """All that has happened."""
        return self.logged.log

    @property
    def has_work(self) -> bool:
        """Whether its next turn would do something."""
        return self._runs or self._inbox.has_ready or self.saving.has_news

    def receive(self, command: Command, op: int | None, conditions: Conditions) -> int:
        """Take a command, from any thread. Returns its number.

        Raises:
            MissingError: when the session has been let go meanwhile.
        """
        with self._inbox.receiving(command, op, conditions) as one, self._lock:
            if self._gone:
                raise MissingError(f"Session {self.id!r} is not open any more: open it again first.")
            self._inbox.put(one)
            self.resting.clear()
        return one.op

    def begin(self, *, fresh: bool) -> None:
        """Keep the first state, or count all that came back as kept."""
        if fresh:
            opened = self.log.events[0]
            assert isinstance(opened, SessionOpened)
            self.saving.begin(opened)
            self._keep()
        else:
            self.saving.take_over(self.logged)
        self._rest_if_done()

    def turn(self, conditions: Conditions, beside: Executor, patience: float) -> None:
        """Apply what is ready, and make one step if the session runs. Whatever goes wrong, other sessions go on.

        Args:
            beside: finds out what commands need to know, while steps are made.
            patience: see `Inbox.due`.
        """
        try:
            self._turn(conditions, beside, patience)
        except Exception as error:
            self._fail(error)
        self._rest_if_done()
        self.watch()

    def _turn(self, conditions: Conditions, beside: Executor, patience: float) -> None:
        events = len(self.log.events)
        self._tell_news()
        self._drain(conditions, beside, patience)
        if self._runs:
            self._step()
        self._unkept = self._unkept or any(not isinstance(one, StateSaved) for one in self.log.events[events:])
        if self._unkept and (not self._runs or self.saving.is_due):
            self._keep()

    def keep_news(self) -> None:
        """Hand over what is not on its way to the disk yet."""
        if self._unkept:
            self._keep()

    def flush(self) -> None:
        """Wait until all is on the disk, or known not to be."""
        self.keep_news()
        self.saving.wait()
        self._tell_news()
        self.leave()

    def leave(self) -> None:
        """Take no more commands: there will be no turn, so nobody may wait for one."""
        with self._lock:
            self._gone = True
            self.resting.set()

    # --- commands --------------------------------------------------------------------------------------------------------

    def _drain(self, conditions: Conditions, beside: Executor, patience: float) -> None:
        for one, overtaken in self._inbox.due(conditions, beside, patience):
            if overtaken:
                self._reject(one, "superseded", "A later command of the same kind took its place.")
            else:
                self._carry_out(one)

    def _carry_out(self, one: Received) -> None:
        try:
            for future in one.encoded or ():
                future.result()  # a prompt that cannot be encoded is not tried again here
            if one.made is not None:
                one.command = one.made.result()
            if not self._flow(one):
                former = self.logged.cursor.position
                begun = self.logged.apply(one.command, op=one.op, received_step=one.step)
                position = self.logged.cursor.position
                if begun or (position.node, position.branch) != (former.node, former.branch):
                    # whoever goes elsewhere does not want to be taken to the next future of an old comparison
                    self._to_finish = deque(begun[1:])
                if isinstance(one.command, _RESTARTS):
                    self._go_on()
                elif self.status in ("finished", "paused"):
                    self.status = "finished" if self.logged.cursor.finished else "paused"
        except IldmError as error:
            self._reject(one, code_of(error), str(error))
        except Exception as error:
            _logger.exception("A command of session %s failed.", self.id)
            self._reject(one, "failed", in_a_sentence(error))

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
                self._may_run()
                self._accept(one)
                self._to_finish.clear()
                self.status = "cancelled"
                self.log.add(RunCancelled)
            case SetPreviewRate(every=every):
                self._accept(one)
                self._showing.every = every
            case _:
                return False
        return True

    def _may_run(self) -> None:
        if self.logged.cursor.finished:
            raise NotNow("All steps are done: rewind, start over or redo an area.")

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

    def _reject(self, one: Received, code: RejectionCode, text: str) -> None:
        self.log.add(CommandRejected, op=one.op, code=code, text=text)

    # --- steps -----------------------------------------------------------------------------------------------------------

    @property
    def _runs(self) -> bool:
        return self.status == "running" and not self.saving.is_full

    def _go_on(self) -> None:
        if self.saving.is_full:
            self.log.add(RunPaused, reason=self.saving.full)  # it goes on by itself once there is room
        elif self.status != "running":
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
        self._showing.show(self.logged, event)
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
        if not is_expected(error):
            _logger.error("A turn of session %s failed.", self.id, exc_info=error)
        self.status = "failed"
        self.log.add(RunFailed, text=in_a_sentence(error))

    # --- keeping ---------------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        self._unkept = False
        self.saving.keep(self.logged, self.status)

    def _tell_news(self) -> None:
        """Tell what lies on the disk by now. Where there was no room the session waits."""
        for news in self.saving.news():
            match news:
                case Saved(node):
                    self.log.add(StateSaved, node=node)
                case NoRoom(reason):
                    self.log.add(RunPaused, reason=reason)
                case RoomAgain():
                    self.resting.clear()
                    # where a person has paused it meanwhile, it stays so
                    self.log.add(RunPaused if self.status == "paused" else RunResumed)
                case Lost(problem):
                    if self.status != "failed":
                        self._fail(problem)

    def _rest_if_done(self) -> None:
        with self._lock:
            busy = bool(self._inbox) or self._runs or (self.saving.is_waiting and not self.saving.is_full)
            if busy:
                self.resting.clear()
            else:
                self.resting.set()
