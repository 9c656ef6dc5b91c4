"""A client of the studio's socket that remembers all it hears."""

import asyncio
import contextlib
import itertools
import secrets
import time

import websockets

from ildm.session.envelope import Envelope, Kind, unpack


class Client:
    """One connection; `async with await Client.connect(...)`.

    `events` by number, `frames` as (header, bytes, when they came), `said` everything else in order.
    """

    def __init__(self, socket, name):
        self.socket, self.name = socket, name
        self.events, self.frames, self.said = {}, [], []
        self.session = self.epoch = self.view = self.place = None
        self.acknowledges = True
        self._ops = itertools.count(1)
        self._news = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(cls, port, token, name=None, *, host=None, **headers):
        told = {"Authorization": f"Bearer {token}"} if token else {}
        told |= {key.replace("_", "-"): value for key, value in headers.items()}
        if host is not None:
            told["Host"] = host
        uri = f"ws://127.0.0.1:{port}/api/socket"
        socket = await websockets.connect(uri, additional_headers=told, max_size=2**26, compression=None, proxy=None)
        return cls(socket, name or secrets.token_hex(8))

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.close()

    async def close(self):
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        await self.socket.close()

    def drop(self):
        """Be gone without a word."""
        self._listening.cancel()
        self.socket.transport.abort()

    async def send(self, type, payload=b"", kind=Kind.EVENT, **fields):
        await self.socket.send(Envelope(kind, {"type": type, **fields}, payload).pack())

    async def hello(self, session=None, epoch=None, last_seq=None):
        await self.send("hello", client=self.name, session=session, epoch=epoch, last_seq=last_seq)
        return await self.until(lambda: self._last("welcome"))

    async def start(self, **opening):
        await self.send("hello", client=self.name)
        await self.until(lambda: self._last("welcome"))
        op = next(self._ops)
        await self.send("start", op=op, opening=opening)
        told = await self.until(lambda: self._answered(op))
        assert told["type"] == "welcome", told
        await self.until(lambda: self.view)
        return self.session

    async def edit(self, op=None, base_rev=None, wait=True, **command):
        """Have a command act. Returns the event that says so, or the error."""
        op = next(self._ops) if op is None else op
        await self.send("edit", op=op, set=command, base_rev=base_rev)
        return await self.until(lambda: self.answer(op)) if wait else op

    async def short(self, type, **fields):
        op = next(self._ops)
        await self.send(type, op=op, **fields)
        return await self.until(lambda: self.answer(op))

    def answer(self, op):
        for message in (*self.events.values(), *self.said):
            if message.get("op") == op:
                return message
        return None

    async def until(self, found, timeout=30.0):
        """Wait until something holds. Returns it."""
        async with asyncio.timeout(timeout), self._news:
            while not (value := found()):
                if self._listening.done():
                    raise ConnectionError(f"the connection is closed: {self._listening}")
                await self._news.wait()
            return value

    def _last(self, type):
        return next((message for message in reversed(self.said) if message["type"] == type), None)

    def _answered(self, op):
        return next((one for one in self.said if one.get("op") == op), None)

    async def _listen(self):
        try:
            async for data in self.socket:
                await self._take(unpack(data))
        except websockets.ConnectionClosed:
            pass  # `until` says so to whoever waits for more
        finally:
            async with self._news:
                self._news.notify_all()

    async def _take(self, message):
        header = message.header
        acknowledged = {}
        match header["type"]:
            case "event":
                seq = header["event"]["seq"]
                assert seq not in self.events, f"event {seq} came twice"
                self.events[seq] = header
                acknowledged = {"seq": seq}
            case "frame":
                self.frames.append((header, message.payload, time.time()))
                acknowledged = {"frame": header["number"]}
            case "welcome":
                if header.get("epoch"):
                    if self.epoch not in (None, header["epoch"]):
                        self.events.clear()
                    self.epoch = header["epoch"]
                    self.view, self.place = header["view"], header["view"]["place"]
                self.session = header.get("session")
                self.said.append(header)
            case "moved":
                self.place = header["place"]
                self.said.append(header)
            case _:
                self.said.append(header)
        if acknowledged and self.acknowledges:
            with contextlib.suppress(websockets.ConnectionClosed):  # what was sent before that is read to its end
                await self.send("ack", **acknowledged)
        async with self._news:
            self._news.notify_all()
