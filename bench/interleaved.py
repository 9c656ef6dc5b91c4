"""Fair timing: contenders take turns within one run, so that a busy neighbour slows all of them alike; medians are reported."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

Call = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds of each of a contender's turns."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return low, high


def take_turns(contenders: Mapping[str, Call], turns: int, *, warmups: int = 2) -> dict[str, Timing]:
    """Time every contender once per turn, after `warmups` untimed calls of each."""
    for call in contenders.values():
        for _ in range(warmups):
            call()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(turns):
        # another order each turn, so that no one always follows the same neighbour
        names = list(contenders)
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            begin = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - begin)
    return {name: Timing(values) for name, values in seconds.items()}


def matrix_product(dtype: torch.dtype, side: int = 1024) -> tuple[Call, float]:
    """A square matrix product to measure a machine by, and its floating-point operations."""
    left, right = torch.randn(side, side).to(dtype), torch.randn(side, side).to(dtype)
    return (lambda: left @ right), 2.0 * side**3


def machine() -> dict[str, object]:
    """What the figures were measured on, and how busy it was."""
    return {
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "load average": list(os.getloadavg()),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
