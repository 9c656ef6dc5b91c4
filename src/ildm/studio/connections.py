"""How many sockets and event streams are open, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from ildm.studio.limits import Limits
from ildm.studio.metrics import Metrics
from ildm.studio.refusals import Refused


class Connections:
    """Counts them."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._open: Counter[str] = Counter()

    @contextmanager
    def of(self, user: str) -> Generator[None, None, None]:
        """One more, as long as the block lasts.

        Raises:
            Refused: when there are as many as there may be.
        """
        if self._open[user] >= self._limits.connections_per_user:
            raise Refused("busy", f"{self._open[user]} connections of yours are open already: close one, or try again later.")
        if self._open.total() >= self._limits.connections:
            raise Refused("busy", f"{self._open.total()} connections to this server are open already: try again later.")
        self._open[user] += 1
        self._metrics.connected(1)
        try:
            yield
        finally:
            self._open[user] -= 1
            self._metrics.connected(-1)
