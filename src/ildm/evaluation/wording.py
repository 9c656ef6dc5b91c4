"""Numbers as reports show them."""

from __future__ import annotations

from collections.abc import Iterable

from ildm.evaluation.metric import Estimate
from ildm.evaluation.metrics.throughput import REPEATS, SPEED


def say_brackets(names: Iterable[str]) -> str:
    """What the brackets behind figures of these names hold."""
    speed = f", but for images per second the slowest and the fastest of {REPEATS} runs"
    return "Brackets hold 95 % intervals" + (speed if any(name.startswith(SPEED) for name in names) else "")


def say_estimate(estimate: Estimate | None) -> str:
    """A number with its interval in brackets, where it has one; empty for None."""
    if estimate is None:
        return ""
    if estimate.interval is None:
        return say_number(estimate.value)
    low, high = estimate.interval
    return f"{say_number(estimate.value)} [{say_number(low)}, {say_number(high)}]"


def say_number(value: float) -> str:
    """Four digits behind the point below 1, four in all above."""
    return f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
