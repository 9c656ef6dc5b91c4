"""What training steps told, between two records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from torch import Tensor

from ildm.training.task import Metrics


class Sums:
    """Metrics of training steps since the last record, added up on the device and read once."""

    def __init__(self) -> None:
        self.steps = 0
        self._started = time.monotonic()
        self._totals: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()  # some steps tell less than others

    @property
    def seconds(self) -> float:
        """Since the last record, without the pauses."""
        return time.monotonic() - self._started

    @contextmanager
    def paused(self) -> Generator[None]:
        """Time that is not training's own, such as saving."""
        began = time.monotonic()
        yield
        self._started += time.monotonic() - began

    def add(self, metrics: Metrics) -> None:
        """Add those of one more step."""
        self.steps += 1
        self._counts.update(metrics.keys())
        for name, value in metrics.items():
            value = value.detach().double()
            self._totals[name] = self._totals[name] + value if name in self._totals else value

    def averages(self) -> dict[str, float]:
        """Each over the steps that told it; none before the first step."""
        return {name: float(total) / self._counts[name] for name, total in self._totals.items()}
