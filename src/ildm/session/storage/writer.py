"""One thread that writes, and commits together whatever waits (group commit).

A commit waits for the disk; while it does, further work comes in, and the next commit takes all of it. So the disk sets the pace of the
commits, not the number of those who wait for it.

A disk counts as full a little before it is, so that what was written can be put in order, and something can be deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from ildm.core.errors import StorageError
from ildm.session.storage.connections import release_log
from ildm.session.storage.failures import has_room, in_words, is_busy, is_full, no_room

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Work:
    task: Callable[[Connection], Any]
    future: Future[Any]
    grows: bool


class Writer:
    """Runs tasks in the order they come, each of them wholly or not at all.

    Args:
        engine: of the one connection that writes.
        path: of the store, for sentences.

    `batches` tasks are durable by now, by `commits` commits.
    """

    def __init__(self, engine: Engine, path: Path) -> None:
        self.commits = 0
        self.batches = 0
        self._engine = engine
        self._path = path
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ildm-store-writer", daemon=True)
        self._thread.start()

    def submit(self, task: Callable[[Connection], Result], *, grows: bool = True) -> Future[Result]:
        """Have `task` run in a transaction. The future has its result once it is durable, else the reason why it is not.

        A task may run more than once: when its group could not be committed, each of the group is tried by itself. Callbacks of the future
        run on the writer's thread, so they must not wait for it.

        Args:
            grows: False for what only deletes: it is tried on a full disk, too.

        Raises:
            StorageError: when the writer is closed.
        """
        future: Future[Result] = Future()
        with self._closing:
            if self._closed:
                raise StorageError(f"The session store {self._path} is closed: open it again before writing.")
            self._queue.put(_Work(task, future, grows))
        return future

    def close(self) -> None:
        """Finish what waits, then end. A second call does nothing."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            group, last = self._take()
            self._commit(self._with_room([work for work in group if work.future.set_running_or_notify_cancel()]))

    def _take(self) -> tuple[list[_Work], bool]:
        """All that waits, once something does, and whether it is the last."""
        group: list[_Work] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            try:
                item = self._queue.get_nowait()
            except Empty:
                return group, False
        return group, True

    def _with_room(self, group: Sequence[_Work]) -> Sequence[_Work]:
        """What can be tried; for the rest there is no room."""
        if has_room(self._path):
            return group
        for work in group:
            if work.grows:
                work.future.set_exception(no_room(self._path))
        return [work for work in group if not work.grows]

    def _commit(self, group: Sequence[_Work]) -> None:
        if not group:
            return
        try:
            with self._engine.begin() as connection:
                results = [work.task(connection) for work in group]
        except Exception as error:
            if is_full(error):
                release_log(self._path)
            if len(group) > 1 and not is_busy(error):
                for work in group:
                    self._commit([work])
                return
            told = in_words(error, self._path)
            if told is not error:
                told.__cause__ = error
            for work in group:
                work.future.set_exception(told)
            return
        self.commits += 1
        self.batches += len(group)
        for work, result in zip(group, results, strict=True):
            work.future.set_result(result)
