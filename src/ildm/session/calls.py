"""What others ask of the engine's thread: it is done there between two turns, and told by a future."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from ildm.core.errors import ConfigError, IldmError

_logger = logging.getLogger(__name__)


class Calls:
    """Work for one thread, from any. `closed` is whether no more is taken."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: deque[Callable[[], None]] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def call(self, work: Callable[[], Any]) -> Future[Any]:
        """Have something done; on the engine's own thread at once."""
        if threading.current_thread() is not self._thread:
            return self._between_turns(work)
        future: Future[Any] = Future()
        _carry_out(work, future)
        return future

    def after(self, futures: Sequence[Future[Any]], work: Callable[[], Any]) -> Future[Any]:
        """Have something done once all these are; until then the thread goes on."""
        result: Future[Any] = Future()

        def look(_: Future[Any] | None = None) -> None:
            waiting = next((one for one in futures if not one.done()), None)
            if waiting is None:
                self.call(work).add_done_callback(partial(_pass_on, result))
            else:
                waiting.add_done_callback(look)

        look()
        return result

    def until(self, look: Callable[[], Sequence[Future[Any]]]) -> Future[None]:
        """Have something looked after again and again, each time once all that it waits for is done, until it waits for nothing."""
        result: Future[None] = Future()

        def go_on(looked: Future[Sequence[Future[Any]]]) -> None:
            if looked.exception() is None and looked.result():
                self.after(looked.result(), look).add_done_callback(go_on)
            else:
                _pass_on(result, looked, lambda _: None)

        # never in the middle of a turn, whoever asks
        self._between_turns(look).add_done_callback(go_on)
        return result

    def _between_turns(self, work: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        with self._wake:
            if self.closed:
                return refused()
            self._waiting.append(partial(_carry_out, work, future))
            self._wake.notify_all()
        return future

    def wake(self) -> None:
        """Have the thread look whether there is something to do."""
        with self._wake:
            self._wake.notify_all()

    def close(self) -> None:
        """Take no more; what was taken is still done."""
        with self._wake:
            self.closed = True
            self._wake.notify_all()

    # --- the engine's thread ---------------------------------------------------------------------------------------------

    def wait(self, has_more: Callable[[], bool], pause: Callable[[], float | None]) -> bool:
        """Wait until something is to be done. Returns False once nothing will be.

        Args:
            has_more: whether there is something beside the calls. It may change before each `wake`, or
            pause: seconds after which it may change by itself; None = never.
        """
        self._thread = threading.current_thread()
        with self._wake:
            while not (self.closed or self._waiting or has_more()):
                self._wake.wait(pause())
            return bool(self._waiting) or not self.closed

    def carry_out(self) -> None:
        """Do all that waits by now."""
        with self._wake:
            calls, self._waiting = self._waiting, deque()
        for one in calls:
            one()


def _carry_out(work: Callable[[], Any], future: Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except IldmError as error:
        future.set_exception(error)
    except BaseException as error:
        _logger.exception("A call to the engine failed.")
        future.set_exception(error)


def _pass_on(result: Future[Any], done: Future[Any], value: Callable[[Any], Any] = lambda value: value) -> None:
    if not result.set_running_or_notify_cancel():
        return
    problem = done.exception()
    if problem is not None:
        result.set_exception(problem)
    else:
        result.set_result(value(done.result()))


def refused() -> Future[Any]:
    """What comes of whatever an engine that has been closed is asked for."""
    future: Future[Any] = Future()
    future.set_exception(ConfigError("The engine has been closed."))
    return future
