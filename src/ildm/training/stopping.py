"""When to stop early: a signal, or a time limit."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Asked between steps whether to go on.

    Args:
        time_limit: seconds from now; None = no limit.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self._deadline = None if time_limit is None else time.monotonic() + time_limit
        self._signal: int | None = None

    @property
    def reason(self) -> str | None:
        """Why to stop, or None to go on."""
        if self._signal is not None:
            return signal.Signals(self._signal).name
        if self._deadline is not None and time.monotonic() >= self._deadline:
            return "time limit"
        return None

    @contextmanager
    def on_signals(self) -> Generator[None, None, None]:
        """Within, SIGTERM and SIGINT ask to stop after the step in flight; a second one acts at once."""
        former = {number: signal.signal(number, self._receive) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in former.items():
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self._signal is not None:
            raise KeyboardInterrupt
        self._signal = number
