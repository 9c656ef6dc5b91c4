"""Time: how long it has been, how long it may be, and steps without a processor's delays."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

BEGAN = time.monotonic()


def by_the_clock(seconds: float) -> Iterator[float]:
    """Shares of the time that have passed, until all has; what is queued for the GPU is never far behind."""
    began, count = time.monotonic(), 0
    while seconds > 0 and (progress := (time.monotonic() - began) / seconds) < 1.0:
        yield progress
        count += 1
        if count % 20 == 0 and torch.cuda.is_available():
            torch.cuda.current_stream().synchronize()


def recorded(step: Callable[[], None], device: torch.device, warm: int = 3, pool: Any = None) -> Callable[[], None]:
    """The step as one CUDA graph, after some warming up; as it is where there is no CUDA, or it cannot be recorded.

    Args:
        pool: of memory, shared by graphs that need nothing of each other's.
    """
    if device.type != "cuda":
        step()
        return step
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(warm):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            step()
    except RuntimeError as error:
        say(f"not recorded: {error}")
        torch.cuda.synchronize()
        return step
    return graph.replay


def release() -> None:
    """Give back the GPU memory that nothing lies in."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def passed() -> float:
    """Seconds since the start."""
    return time.monotonic() - BEGAN


def say(text: str) -> None:
    """With the time since the start."""
    print(f"{passed():7.1f} {text}", flush=True)
