"""When to stop early: a signal, or a time limit."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from ildm.core.errors import ConfigError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


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


def parse_duration(text: str) -> float:
    """Seconds in "90", "30s", "15m", "2h" or "1h30m".

    Raises:
        ConfigError: for anything else.
    """
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ConfigError(f"A duration reads like 90s, 15m or 1h30m, but {text!r} was given.")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
