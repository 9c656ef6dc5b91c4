"""Several threads share a device: whoever has waited longest goes first."""

from __future__ import annotations

import threading
from collections import deque
from typing import Self


class Turns:
    """A lock that is handed on in the order of asking, so that no engine starves another."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._queue: deque[threading.Event] = deque()
        self._taken = False

    def __enter__(self) -> Self:
        with self._guard:
            if not self._taken:
                self._taken = True
                return self
            mine = threading.Event()
            self._queue.append(mine)
        mine.wait()
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._taken = False
