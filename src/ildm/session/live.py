"""One session in the engine: what acts on it, its turns, and its way to the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from ildm.core.errors import IldmError, MissingError, StorageError
from ildm.session.commands import FLOW, Command, SetPreviewRate
from ildm.session.conditions import Conditions
from ildm.session.events import CommandApplied, CommandRejected, RejectionCode, SessionOpened, StateSaved
from ildm.session.failures import in_a_sentence
from ildm.session.flow import Flow
from ildm.session.inbox import Inbox
from ildm.session.keeping import Keeper, Keeping
from ildm.session.log import Log, LoggedCursor
from ildm.session.mailbox import Received
from ildm.session.refusals import code_of
from ildm.session.saving import Lost, NoRoom, RoomAgain, Saved, Saving
from ildm.session.showing import Previewer, Showing
from ildm.session.storage.records import Status

_logger = logging.getLogger(__name__)


@dataclass
class LiveSession:
    """A session whose steps the engine makes. All but `receive` and `resting` belong to the engine's thread.

    Args:
        logged: its cursor.
        left: the status it was left in, or is to begin in: "running" goes on by itself; in any other the session waits for a command.

    `watch` is called after each turn.
    """

    id: str
    logged: LoggedCursor
    keeper: Keeper | None
    previewer: Previewer | None
    left: Status = "running"
    notify: Callable[[], None] = lambda: None
    watch: Callable[[], None] = lambda: None
    resting: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def __post_init__(self) -> None:
        self._inbox = Inbox(self.logged, lambda: self.notify())
        self._showing = Showing(self.id, self.previewer)
        self._flow = Flow(self.id, self.logged, self.left)
        self.saving = Saving(Keeping(self.keeper, self.id), lambda: self.notify())

    @property
    def log(self) -> Log:
        """All that has happened."""
        return self.logged.log

    @property
    def status(self) -> Status:
        """Whether it runs, and if not, why."""
        return self._flow.status

    @property
    def has_work(self) -> bool:
        """Whether its next turn would do something."""
        return self._runs or self.saving.has_news or (self._inbox.has_ready and not self._stopped)

    @property
    def _runs(self) -> bool:
        return self._flow.runs and not self._stopped

    def receive(self, command: Command, op: int | None, conditions: Conditions) -> int:
        """Take a command, from any thread. Returns its number.

        Raises:
            MissingError: when the session has been let go meanwhile.
        """
        with self._inbox.receiving(command, op, conditions) as one, self._lock:
            self.check_open()
            self._inbox.put(one)
            self.resting.clear()
        return one.op

    def begin(self, *, fresh: bool) -> None:
        """Keep the first state, or count all that came back as kept."""
        if fresh:
            opened = self.log.events[0]
            assert isinstance(opened, SessionOpened)
            self.saving.begin(opened)
            self.saving.keep(self.logged, self.status)
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
            self._flow.fail(error)
        self._rest_if_done()
        self.watch()

    def _turn(self, conditions: Conditions, beside: Executor, patience: float) -> None:
        self._tell_news()
        if self._stopped:
            return
        self._drain(conditions, beside, patience)
        if self._runs:
            self._step()
        if not self._runs or self.saving.is_due:
            self._keep_news()

    def stop(self, conditions: Conditions, beside: Executor, patience: float) -> list[Future[None]]:
        """Take no more commands and make no more steps, and keep what there is. Returns what is still on its way to the disk.

        Args:
            conditions, beside, patience: as for a turn. What has come and can act still does.

        Raises:
            StorageError: when there is no room for it; then it goes on as before.
        """
        with self._lock:
            self._stopped = True
        try:
            self._drain(conditions, beside, patience)
            self._tell_news()
            if self.saving.is_full:
                raise StorageError(
                    f"Session {self.id} stays open, because its last changes are not on the disk: {self.saving.full}"
                )
            self._keep_news()
        except BaseException:
            # whatever it was, whoever works with the session goes on
            with self._lock:
                self._stopped = False
            raise
        return self.saving.pending

    def check_open(self) -> None:
        """Find out whether it takes commands.

        Raises:
            MissingError: when it has been let go meanwhile, or is about to be.
        """
        if self._stopped:
            raise MissingError(f"Session {self.id!r} is not open any more: open it again first.")

    def flush(self) -> None:
        """Wait until all is on the disk, or known not to be."""
        self._keep_news()
        self.saving.wait()
        self._tell_news()
        self.leave()

    def leave(self) -> None:
        """Take no more commands: there will be no turn, so nobody may wait for one."""
        with self._lock:
            self._stopped = True
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
            if isinstance(one.command, FLOW):
                self._let_flow(one)
            else:
                self._steer(one)
        except IldmError as error:
            self._reject(one, code_of(error), str(error))
        except Exception as error:
            _logger.exception("A command of session %s failed.", self.id)
            self._reject(one, "failed", in_a_sentence(error))

    def _steer(self, one: Received) -> None:
        cursor = self.logged.cursor
        former = cursor.position
        begun = self.logged.apply(one.command, op=one.op, received_step=one.step)
        elsewhere = (cursor.position.node, cursor.position.branch) != (former.node, former.branch)
        self._flow.steered(one.command, begun, elsewhere=elsewhere)

    def _let_flow(self, one: Received) -> None:
        self._flow.check(one.command)
        cursor = self.logged.cursor
        self.log.add(
            CommandApplied,
            cursor=cursor.number,
            op=one.op,
            command=one.command,
            received_step=one.step,
            applied_step=cursor.node.step,
            node=cursor.position.node,
        )
        if isinstance(one.command, SetPreviewRate):
            self._showing.every = one.command.every
        self._flow.heed(one.command)

    def _reject(self, one: Received, code: RejectionCode, text: str) -> None:
        self.log.add(CommandRejected, op=one.op, code=code, text=text)

    def _step(self) -> None:
        try:
            event = self._flow.step()
        except Exception as error:
            self._flow.fail(error)
            return
        if event is not None:
            self._showing.show(self.logged, event)
            self._flow.stepped()

    # --- keeping ---------------------------------------------------------------------------------------------------------

    def _keep_news(self) -> None:
        if self.saving.is_behind(self.log):
            self.saving.keep(self.logged, self.status)

    def _tell_news(self) -> None:
        """Tell what lies on the disk by now. Where there was no room the session waits."""
        for news in self.saving.news():
            match news:
                case Saved(node):
                    self.log.add(StateSaved, node=node)
                case NoRoom(reason):
                    self._flow.wait_for_room(reason)
                case RoomAgain():
                    self.resting.clear()
                    self._flow.room_again()
                case Lost(problem):
                    if self.status != "failed":
                        self._flow.fail(problem)

    def _rest_if_done(self) -> None:
        with self._lock:
            busy = bool(self._inbox) or self._runs or (self.saving.is_waiting and not self.saving.is_full)
            if busy:
                self.resting.clear()
            else:
                self.resting.set()
