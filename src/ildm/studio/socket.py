"""The socket: one client, one session at a time. Two tasks: one reads what the client says, the other sends what it can take."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from typing import Any

from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect

from ildm.core.errors import ProtocolError
from ildm.session.envelope import Envelope, Kind, unpack
from ildm.session.region_commands import PaintRegion
from ildm.session.wire import Mask, adapter, first_problem
from ildm.studio.limits import Bucket
from ildm.studio.messages import Ack, ClientMessage, Edit, Hello, MaskStroke, StartSession, command_of
from ildm.studio.outbox import Outbox
from ildm.studio.refusals import Refused
from ildm.studio.rooms import Rooms

GOING_AWAY, BAD_DATA, POLICY, RESTART, TRY_LATER = 1001, 1007, 1008, 1012, 1013
"""Codes of a closed socket (RFC 6455, 7.4.1; 1012 = the service restarts, 1013 = it has no room now)."""
ACK_COST = 0.1
MOST_MISTAKES = 16
"""Messages that cannot be understood before the connection is closed."""


class _Flood(Exception):  # noqa: N818 - an answer, not a fault
    """Too many messages."""


class Socket:
    """One connection.

    Args:
        user: whose it is.
        closing: set when the server ends.
    """

    def __init__(self, websocket: WebSocket, rooms: Rooms, user: str, closing: asyncio.Event) -> None:
        self._websocket, self._rooms, self._user, self._closing = websocket, rooms, user, closing
        self._outbox = Outbox()
        self._woken = asyncio.Event()
        self._greeted = False
        self._mistakes = itertools.count(1)
        self._bucket = Bucket(rooms.limits.messages_per_second, time.monotonic())
        self._beside: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until the client goes or the server ends."""
        await self._websocket.accept()
        tasks = [asyncio.create_task(work) for work in (self._read(), self._write(), self._closing.wait())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await self._part(tasks[0], tasks[2] in done)
        finally:
            for task in (*tasks, *self._beside):
                task.cancel()
            await asyncio.gather(*tasks, *self._beside, return_exceptions=True)
            self._follow(None)

    async def _part(self, reading: asyncio.Task[Any], server_ends: bool) -> None:
        """Say why, as far as the client is still there."""
        code, reason = (RESTART, "The server is stopped.") if server_ends else (GOING_AWAY, "")
        if reading.done() and not reading.cancelled():
            problem = reading.exception()
            if isinstance(problem, ProtocolError):
                code, reason = BAD_DATA, str(problem)
            elif isinstance(problem, _Flood):
                code, reason = POLICY, str(problem)
            elif isinstance(problem, WebSocketDisconnect) or problem is None:
                return
            else:
                raise problem
        with contextlib.suppress(Exception):  # it may have gone meanwhile, in as many ways as there are servers
            bye = Envelope(Kind.EVENT, {"type": "bye", "reason": reason}).pack()
            async with asyncio.timeout(1.0):
                await self._websocket.send_bytes(bye)
                await self._websocket.close(code, reason[:100])

    # --- reading -----------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            received = await self._websocket.receive()
            if received["type"] == "websocket.disconnect":
                return
            data = received.get("bytes")
            if data is None:
                raise ProtocolError("Messages are binary here, but text came.")
            await self._take(data)

    async def _take(self, data: bytes) -> None:
        op = None
        try:
            envelope = unpack(data)
            self._count(envelope.header.get("type") == "ack")
            op = _op_of(envelope.header)
            await self._carry_out(_message_in(envelope), envelope.payload)
        except ProtocolError as error:
            self._tell_mistake("bad-message", str(error), op)
            if next(self._mistakes) >= MOST_MISTAKES:
                raise ProtocolError("Too many messages that cannot be understood.") from error
        except Refused as problem:
            self._tell_mistake(problem.code, problem.text, op)

    def _count(self, is_ack: bool) -> None:
        if not self._bucket.take(time.monotonic(), ACK_COST if is_ack else 1.0):
            raise _Flood(f"More than {self._rooms.limits.messages_per_second} messages a second: slow down.")

    async def _carry_out(self, message: Any, payload: bytes) -> None:
        if isinstance(message, Hello):
            await self._greet(message)
            return
        if not self._greeted:
            raise ProtocolError("The first message of a connection is 'hello'.")
        match message:
            case Ack(seq=seq, frame=frame):
                self._outbox.acknowledge(seq, frame)
                self._woken.set()
            case StartSession(op=op, opening=opening):
                room = self._rooms.start(self._user, opening)
                self._follow(room)
                self._outbox.enter(room, op=op)
            case MaskStroke(op=op, session=session):
                await self._edit(_stroke(message, payload), op, session=session)
            case Edit(op=op, session=session, base_rev=base_rev, set=command):
                await self._edit(command, op, base_rev, session=session)
            case _:
                command = command_of(message)
                if command is None:
                    raise ProtocolError("A name belongs to a state or to a branch: give one of the two.")
                await self._edit(command, message.op)

    async def _greet(self, hello: Hello) -> None:
        # two users may have hit upon the same name
        client = f"{self._user}/{hello.client}"
        if self._greeted and client != self._outbox.client:
            raise ProtocolError("A client keeps its name as long as its connection lasts.")
        self._outbox.client, self._greeted = client, True
        if hello.session is None:
            self._follow(None)
            self._outbox.enter(None)
        else:
            room = await self._rooms.find(self._user, hello.session)
            self._follow(room)
            self._outbox.enter(room, epoch=hello.epoch, last_seq=hello.last_seq)
            # taking it up may take a while, and need not hold up what else the client says
            self._run_beside(self._enter(room.id))
        self._woken.set()

    async def _enter(self, session_id: str) -> None:
        try:
            await self._rooms.enter(self._user, session_id)
        except Refused as problem:
            self._tell_mistake(problem.code, problem.text, None)

    async def _edit(self, command: Any, op: int, base_rev: int | None = None, *, session: str | None = None) -> None:
        room = self._outbox.room
        if room is None:
            raise Refused("not-now", "This connection follows no session: say 'hello' with one, or 'start'.")
        if session is not None and session != room.id:
            raise Refused("not-now", f"This connection follows session {room.id} now, and the change was meant for {session}.")
        await self._rooms.edit(room, command, self._outbox.client, op, base_rev)

    def _follow(self, room: Any) -> None:
        if self._outbox.room is not None:
            self._outbox.room.leave(self._woken)
        self._outbox.room = room
        if room is not None:
            room.followers.add(self._woken)
            self._woken.set()

    def _tell_mistake(self, code: str, text: str, op: int | None) -> None:
        self._rooms.metrics.refused(code)
        self._outbox.say({"type": "error", "code": code, "text": text, "op": op})
        self._woken.set()

    def _run_beside(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    # --- writing -----------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        while True:
            room = self._outbox.room
            message = self._outbox.next(None if room is None else self._rooms.waiting(room))
            if message is None:
                await self._woken.wait()
                self._woken.clear()
                continue
            await self._websocket.send_bytes(message)
            if message[1] == Kind.FRAME:
                self._rooms.metrics.sent_frame(self._outbox.skipped)


async def turn_away(websocket: WebSocket, problem: Refused) -> None:
    """Say why somebody cannot be served now. A page hears it only on a connection that was taken."""
    await websocket.accept()
    told = {"type": "error", "code": problem.code, "text": problem.text, "op": None}
    with contextlib.suppress(Exception):  # as at any other end
        await websocket.send_bytes(Envelope(Kind.EVENT, told).pack())
        await websocket.close(TRY_LATER, problem.text[:100])


def _message_in(envelope: Envelope) -> Any:
    try:
        message = adapter(ClientMessage).validate_python(envelope.header)
    except ValidationError as error:
        raise ProtocolError(first_problem(error)) from error
    if isinstance(message, MaskStroke) is not (envelope.kind is Kind.MASK):
        raise ProtocolError("A mask's stroke, and nothing else, comes in a message of the kind 'mask'.")
    return message


def _stroke(message: MaskStroke, payload: bytes) -> PaintRegion:
    try:
        # its rows are inflated with a bound, and must be as many as it says
        patch = Mask(width=message.width, height=message.height, data=payload)
    except ValidationError as error:
        raise ProtocolError(f"A stroke cannot be read: {error.errors(include_url=False)[0]['msg']}.") from error
    return PaintRegion(
        id=message.region, patch=patch, left=message.left, top=message.top, erase=message.erase, stroke=message.stroke
    )


def _op_of(header: dict[str, Any]) -> int | None:
    op = header.get("op")
    return op if isinstance(op, int) and not isinstance(op, bool) and 0 <= op < 2**53 else None
