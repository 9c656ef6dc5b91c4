"""Work that no request waits for: it is kept alive until it is done, and what goes wrong in it is logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

_logger = logging.getLogger(__name__)


class Background:
    """See above."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop alone would let them be collected

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Have something done beside the requests."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _logger.error("Something went wrong beside the requests.", exc_info=task.exception())
