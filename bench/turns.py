"""Contenders that are processes: started one after the other, then taking turns, as `interleaved` has it within one process."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contender import Holding
from interleaved import Call, Timing

PATIENCE = 600.0  # seconds that a turn may take once a contender is ready
_SCRIPT = Path(__file__).with_name("contender.py")


class LateError(Exception):
    """There was no time left for it."""


class LostError(Exception):
    """Its process ended by itself."""


class Process:
    """A contender's process, ready between `with` and its end.

    Args:
        holding: what it holds.
        deadline: on `time.monotonic`'s clock: until when it must be ready.

    Raises:
        LateError: when it is not ready by then.
        LostError: when its process ends, say for want of memory.
    """

    def __init__(self, holding: Holding, deadline: float) -> None:
        self.holding = holding
        self.deadline = deadline
        self.told: dict[str, Any] = {}
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(_SCRIPT), self.holding.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._complaint = _Tail(self._process.stderr)
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self.told |= self._hear(self.deadline - time.monotonic())
        except (LateError, LostError):
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def turn(self) -> float:
        """The seconds of one turn, by the process's own clock."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LostError(self._complaint.last) from None
        answer = self._hear(PATIENCE)
        self.told["peak bytes"] = answer["peak bytes"]
        return float(answer["seconds"])

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def _hear(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=max(0.0, seconds))
        except queue.Empty:
            raise LateError("it was not ready in time") from None
        if not line:
            raise LostError(f"its process ended with {self._process.wait()}: {self._complaint.last}")
        return json.loads(line)

    def _end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Tail:
    """The last line of a stream, read so that the stream never fills."""

    def __init__(self, stream: Any) -> None:
        self.last = ""
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: Any) -> None:
        for line in stream:
            self.last = line.strip() or self.last


def in_turns(contenders: Sequence[Process], turns: int, deadline: float, product: Call) -> tuple[dict[Process, Timing], Timing]:
    """Every contender once per turn, in another order each time, and a matrix product; after the deadline no second turn begins."""
    seconds: dict[Process, list[float]] = {contender: [] for contender in contenders}
    products: list[float] = []
    for turn in range(turns):
        if turn and time.monotonic() > deadline:
            break
        products += _warm(product)
        shift = turn % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            seconds[contender].append(contender.turn())
    return {contender: Timing(values) for contender, values in seconds.items()}, Timing(products)


def _warm(call: Call, calls: int = 10) -> list[float]:
    """The seconds of some calls, after as many that wake up what rested while others took their turns."""
    seconds: list[float] = []
    for _ in range(2 * calls):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return seconds[calls:]
