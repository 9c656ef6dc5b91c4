"""When a live session makes steps: the commands that say so, and what comes of each step and of each finished branch."""

from __future__ import annotations

import logging
from collections import deque

from ildm.session.commands import RESTARTS, Cancel, Command, OpenBranch, Pause, Resume, StepOnce
from ildm.session.comparing import left_to_make
from ildm.session.events import RunCancelled, RunFailed, RunPaused, RunResumed, StepCompleted
from ildm.session.failures import in_a_sentence, is_expected
from ildm.session.log import LoggedCursor
from ildm.session.refusals import NotNow
from ildm.session.storage.records import Status

_logger = logging.getLogger(__name__)


class Flow:
    """Whether a session runs, and what it does next. All of it is in the log.

    Args:
        session_id: for whoever reads what the program logs.
        status: that the session was left in; a run with nothing left to make is finished, and no other is.

    `full` says why nothing can be kept as long as there is no room on the disk: no step is made then. None = there is.
    """

    def __init__(self, session_id: str, logged: LoggedCursor, status: Status) -> None:
        self._id, self._logged, self._log = session_id, logged, logged.log
        branches = logged.run.timeline.branches
        self._futures = deque(one for one in left_to_make(self._log.events, logged.cursor.number) if one in branches)
        self._steps_left: int | None = None
        self.full: str | None = None
        self.status: Status = "finished" if self._is_over else "paused" if status == "finished" else status

    @property
    def runs(self) -> bool:
        """Whether the next turn makes a step."""
        return self.status == "running" and self.full is None

    @property
    def _is_over(self) -> bool:
        return self._logged.cursor.finished and not self._futures

    # --- commands --------------------------------------------------------------------------------------------------------

    def check(self, command: Command) -> None:
        """Find out whether a command about the flow can act.

        Raises:
            NotNow: when nothing is left to make.
        """
        if isinstance(command, Resume | StepOnce | Cancel) and self._is_over:
            raise NotNow("All steps are done: rewind, start over or redo an area.")

    def heed(self, command: Command) -> None:
        """Let a command about the flow act that is in the log."""
        match command:
            case Pause() if self.status == "running":
                self._pause()
            case Resume():
                self._go_on()
            case StepOnce():
                self._steps_left = 1
                self.status = "running"
            case Cancel():
                self._futures.clear()
                self.status = "cancelled"
                self._log.add(RunCancelled)
            case _:
                pass

    def steered(self, command: Command, begun: tuple[int, ...], *, elsewhere: bool) -> None:
        """A command has acted on the cursor.

        Args:
            begun: the branches of a comparison.
            elsewhere: whether the cursor stands at another state or on another branch.
        """
        if begun or elsewhere:
            # whoever goes elsewhere does not want to be taken to the next future of an old comparison
            self._futures = deque(begun[1:])
        if isinstance(command, RESTARTS):
            self._go_on()
        elif self.status in ("finished", "paused"):
            self.status = "finished" if self._is_over else "paused"

    def _go_on(self) -> None:
        if self.full is not None:
            self._log.add(RunPaused, reason=self.full)  # it goes on by itself once there is room
        elif self.status != "running":
            self._log.add(RunResumed)
        self.status = "running"
        self._steps_left = None

    def _pause(self) -> None:
        self.status = "paused"
        self._log.add(RunPaused)

    # --- steps -----------------------------------------------------------------------------------------------------------

    def step(self) -> StepCompleted | None:
        """One step on, or on to the next future of a comparison; None = no step was left there."""
        if self._logged.cursor.finished:
            self._finish_branch()
            return None
        return self._logged.step()

    def stepped(self) -> None:
        """A step was made and shown."""
        if self._steps_left is not None:
            self._steps_left -= 1
            if self._steps_left == 0:
                self._steps_left = None
                self._pause()
        if self._logged.cursor.finished:
            self._finish_branch()

    def _finish_branch(self) -> None:
        while self._futures:
            branch = self._futures.popleft()
            if branch in self._logged.run.timeline.branches:
                self._logged.apply(OpenBranch(branch=branch))
                return
        self.status = "finished"

    def fail(self, error: BaseException) -> None:
        """Make no more steps, because something went wrong."""
        if not is_expected(error):
            _logger.error("A turn of session %s failed.", self._id, exc_info=error)
        self.status = "failed"
        self._log.add(RunFailed, text=in_a_sentence(error))

    # --- room on the disk ------------------------------------------------------------------------------------------------

    def wait_for_room(self, reason: str) -> None:
        """Make no steps until there is room again."""
        self.full = reason
        self._log.add(RunPaused, reason=reason)

    def room_again(self) -> None:
        """Go on, where nobody has paused it meanwhile."""
        self.full = None
        self._log.add(RunPaused if self.status == "paused" else RunResumed)
