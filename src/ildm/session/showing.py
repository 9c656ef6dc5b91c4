"""When a live session's picture is shown while it forms."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ildm.core.types import Latent
from ildm.session.events import StepCompleted
from ildm.session.log import LoggedCursor
from ildm.session.shown import Finish
from ildm.session.steering import estimate_of

_logger = logging.getLogger(__name__)


@runtime_checkable
class Previewer(Protocol):
    """Makes pictures of estimates, off the engine's thread; the newest wins."""

    def offer(self, session_id: str, node: int, estimate: Latent, finish: Finish | None) -> None:
        """Take an estimate, and what is done to its picture. Returns at once."""
        ...


@dataclass
class Showing:
    """One session's pictures.

    Args:
        previewer: is shown them; None = nobody is.
        every: after how many steps one is due; 0 = the last one only.
    """

    session_id: str
    previewer: Previewer | None
    every: int = 1

    def show(self, logged: LoggedCursor, event: StepCompleted) -> None:
        """Offer the picture behind a new state, where one is due. Whatever goes wrong, the run goes on."""
        due = logged.cursor.finished or (self.every > 0 and event.step % self.every == 0)
        if self.previewer is None or not due:
            return
        try:
            estimate = estimate_of(logged.run.state(event.node))
            if estimate is not None:
                self.previewer.offer(self.session_id, event.node, estimate, logged.run.preview_finish(event.node))
        except Exception:
            _logger.exception("A preview of session %s failed.", self.session_id)
