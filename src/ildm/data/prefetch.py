"""Work done ahead of its reader, in worker processes, in the order it was asked for."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ildm.core.errors import ConfigError, IldmError
from ildm.data.sample import ImageDataset

Key = TypeVar("Key")
Row = TypeVar("Row")
Joined = TypeVar("Joined")

_AHEAD = 4  # batches per worker


def prefetch(
    read: Callable[[Key], Row],
    batches: Iterable[list[Key]],
    join: Callable[[list[Row]], Joined],
    *,
    workers: int,
) -> Iterator[Joined]:
    """`join([read(key) for key in batch])` for every batch, in order.

    Args:
        join: runs in the worker too; tensors it returns travel through shared memory.
        workers: processes that work ahead; 0 = none, in this process.

    Raises:
        ConfigError: for a negative number of workers.
        IldmError: what `read` or `join` raised, when its batch is reached.
    """
    if workers < 0:
        raise ConfigError(f"The number of workers is 0 (none) or more, but {workers} was given.")
    if workers > 0:
        atexit.register(_end_workers)
    loader = DataLoader(
        _Rows(read),
        # any iterable will do, though the signature knows only lists of numbers
        batch_sampler=cast(Sampler[list[int]], batches),
        num_workers=workers,
        prefetch_factor=_AHEAD if workers > 0 else None,
        collate_fn=_Join(join),
        worker_init_fn=_leave_signals_to_the_parent,
        # its own, so that opening a loader draws nothing from the run's random numbers
        generator=torch.Generator(),
    )
    with warnings.catch_warnings():
        # Python warns that a forked copy of a threaded process may hang; the copies here use no lock of those threads
        warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
        return _or_raise(iter(loader))


def warm_up(dataset: ImageDataset, workers: int) -> None:
    """Let a data set that can decode its material once do so before it is copied into `workers` processes."""
    prepare = getattr(dataset, "warm_up", None)
    if workers > 0 and prepare is not None:
        prepare()


@dataclass(frozen=True)
class _Failure:
    """An error on its way to the reader: raised in a worker, it would arrive as a traceback in a sentence's place."""

    error: IldmError


class _Rows(Dataset[Row | _Failure], Generic[Key, Row]):
    def __init__(self, read: Callable[[Key], Row]) -> None:
        self._read = read

    def __getitem__(self, key: Key) -> Row | _Failure:
        try:
            return self._read(key)
        except IldmError as error:
            return _Failure(error)


class _Join(Generic[Row, Joined]):
    def __init__(self, join: Callable[[list[Row]], Joined]) -> None:
        self._join = join

    def __call__(self, rows: list[Row | _Failure]) -> Joined | _Failure:
        failure = next((row for row in rows if isinstance(row, _Failure)), None)
        return failure or self._join(cast("list[Row]", rows))


def _or_raise(found: Iterator[Joined | _Failure]) -> Iterator[Joined]:
    for one in found:
        if isinstance(one, _Failure):
            raise one.error
        yield one


def _end_workers() -> None:
    """At the end of the program: workers ignore the signal by which Python would end them, and it would wait for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for child in multiprocessing.active_children():
        if child.daemon:
            child.kill()


def _leave_signals_to_the_parent(worker: int) -> None:  # noqa: ARG001
    # Ctrl-C and a service manager's stop reach the whole group; the parent finishes its step and then ends its workers
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
