"""A worker in a process of its own on this machine; when it dies, it is started again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from ildm.session.envelope import Envelope, Kind, unpack
from ildm.session.service.messages import Answer, Ready, Stop
from ildm.studio.refusals import Refused
from ildm.studio.worker import Listener, Reply

LENGTH = struct.Struct("<I")
PATIENCE = 7.0
"""Seconds that a worker has to keep what it has in hand when it is stopped."""
LONGEST_PAUSE = 10.0
"""Seconds between two tries to start one that dies at once."""

_logger = logging.getLogger(__name__)


class ProcessWorker:
    """An engine's process, `python -m ildm.session.service`, and the socket to it. See `Worker`.

    Args:
        store: the file that sessions are kept in.
        model: loaded first; the worker is ready when it is.
        device, dtype: as for `ildm.load`.
        held: descriptors that each process holds as long as it lives, such as that of a lock.
    """

    def __init__(
        self, store: Path, model: str, *, device: str | None = None, dtype: str | None = None, held: Sequence[int] = ()
    ) -> None:
        self.is_ready = False
        self.problem: str | None = None
        self.restarts = 0
        self.device: str | None = None
        options = [("--store", str(store)), ("--model", model), ("--device", device), ("--dtype", dtype)]
        self._arguments = [part for name, value in options if value is not None for part in (name, value)]
        self._held = tuple(held)
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._living: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return None if self._process is None else self._process.pid

    async def start(self, listener: Listener) -> None:
        """See `Worker`."""
        self._living = asyncio.create_task(self._live(listener), name="ildm-worker")

    async def ask(self, request: BaseModel) -> Reply:
        """See `Worker`."""
        if not self.is_ready:
            raise self._not_ready()
        return await self._send(request)

    async def stop(self) -> None:
        """See `Worker`."""
        self._stopping = True
        try:
            async with asyncio.timeout(PATIENCE):
                with contextlib.suppress(Refused, OSError):
                    await self._send(Stop())
                if self._process is not None:
                    await self._process.wait()
        except TimeoutError:
            if self._process is not None:
                _kill(self._process)
                await self._process.wait()
        self.is_ready = False
        if self._living is not None:
            self._living.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._living

    # --- life and death --------------------------------------------------------------------------------------------------

    async def _live(self, listener: Listener) -> None:
        pause = 0.1
        while not self._stopping:
            try:
                await self._live_once(listener)
            except Exception:
                _logger.exception("The engine's process cannot be started, or what it says cannot be dealt with.")
            was_ready, self.is_ready = self.is_ready, False
            self._give_up_asked()
            if self._stopping:
                return
            self.restarts += 1
            pause = 0.1 if was_ready else min(2 * pause, LONGEST_PAUSE)
            _logger.error("The engine's process has ended (%s): another is started.", self._ending())
            listener.lost()
            await asyncio.sleep(pause)

    async def _live_once(self, listener: Listener) -> None:
        """From the start of a process to its end."""
        self._process = None
        ours, theirs = socket.socketpair()
        with contextlib.closing(ours):
            with contextlib.closing(theirs):
                self._process = await self._launch(theirs.fileno())
            reader, self._writer = await asyncio.open_connection(sock=ours)
            try:
                await self._listen(reader, listener)
            except BaseException:
                _kill(self._process)
                raise
            finally:
                self._writer.close()
                self._writer = None
                await self._ended(self._process)

    async def _launch(self, end: int) -> asyncio.subprocess.Process:
        command = [sys.executable, "-m", "ildm.session.service", "--fd", str(end), *self._arguments]
        return await asyncio.create_subprocess_exec(
            *command,
            pass_fds=[end, *self._held],
            stdin=asyncio.subprocess.DEVNULL,
            # what a terminal sends to all at once, such as Ctrl-C, is for the server: it ends this one when all is kept
            start_new_session=True,
        )

    async def _listen(self, reader: asyncio.StreamReader, listener: Listener) -> None:
        """Hear what it says, until it says no more."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                self._hear(unpack(await reader.readexactly(length)), listener)

    async def _ended(self, process: asyncio.subprocess.Process) -> None:
        # the socket says at once what the system may say a moment later
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            _kill(process)
            await process.wait()

    def _hear(self, message: Envelope, listener: Listener) -> None:
        match message.header.get("tell"):
            case "answer":
                self._settle(Answer.model_validate(message.header), message.payload)
            case "ready":
                ready = Ready.model_validate(message.header)
                self.is_ready, self.problem, self.device = True, None, ready.device
                _logger.info("Model %s is ready on %s after %.1f s.", ready.model, ready.device, ready.seconds)
                listener.ready()
            case _:
                listener.told(message)

    # --- asking ----------------------------------------------------------------------------------------------------------

    async def _send(self, request: BaseModel) -> Reply:
        writer = self._writer
        if writer is None:
            raise _lost()
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        packed = Envelope(Kind.EVENT, request.model_dump() | {"request": number}).pack()
        writer.write(LENGTH.pack(len(packed)) + packed)
        try:
            await writer.drain()
            return await future
        except ConnectionError as error:
            raise _lost() from error
        finally:
            self._asked.pop(number, None)

    def _settle(self, answer: Answer, payload: bytes) -> None:
        if answer.request == 0 and answer.problem is not None:
            self.problem = answer.problem.text
            _logger.error("The model cannot be used: %s", self.problem)
            return
        future = self._asked.get(answer.request)
        if future is None or future.done():
            return
        if answer.problem is None:
            future.set_result(Reply(answer.value, payload))
        else:
            future.set_exception(Refused(answer.problem.code, answer.problem.text))

    def _give_up_asked(self) -> None:
        for future in self._asked.values():
            if not future.done():
                future.set_exception(_lost())

    def _not_ready(self) -> Refused:
        if self.problem is not None:
            return Refused("not-ready", f"The model cannot be used: {self.problem}")
        if self.restarts:
            return Refused("not-ready", "The engine's process has ended and is started again: try again in some seconds.")
        return Refused("not-ready", "The model is being loaded: try again in some seconds.")

    def _ending(self) -> str:
        code = None if self._process is None else self._process.returncode
        return f"signal {-code}" if code is not None and code < 0 else f"status {code}"


def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
        process.kill()


def _lost() -> Refused:
    return Refused(
        "worker-lost", "The engine's process has ended: it is started again, and sessions go on from their last saved step."
    )
