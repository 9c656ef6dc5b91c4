"""Messages over a stream between two processes: each with its length before it. Sending never waits for the other side."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from queue import SimpleQueue

from ildm.core.errors import ProtocolError
from ildm.session.envelope import Envelope, unpack

LENGTH = struct.Struct("<I")
MAX_BYTES = 256 * 2**20


class Channel:
    """One end of a stream socket, in threads.

    What is sent waits in memory until the other side has read it; of pictures, only the newest of each session waits.

    Args:
        stream: owned by the channel from now on.
    """

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._outgoing: SimpleQueue[bytes | str | None] = SimpleQueue()
        self._frames: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._sender = threading.Thread(target=self._send, name="ildm-channel", daemon=True)
        self._sender.start()

    def send(self, message: Envelope) -> None:
        """Send a message, in order. From any thread."""
        self._outgoing.put(message.pack())

    def send_newest(self, key: str, message: Envelope) -> None:
        """Send a message unless a newer one of the same key comes before its turn does. From any thread."""
        packed = message.pack()
        with self._lock:
            waits = key in self._frames
            self._frames[key] = packed
        if not waits:
            self._outgoing.put(key)

    def __iter__(self) -> Iterator[Envelope]:
        """The messages that come, until the other side closes or dies.

        Raises:
            ProtocolError: when what comes is no message.
        """
        while (start := self._read(LENGTH.size)) is not None:
            (length,) = LENGTH.unpack(start)
            if length > MAX_BYTES:
                raise ProtocolError(f"A message of {length} bytes was announced between processes.")
            data = self._read(length)
            if data is None:
                return
            yield unpack(data)

    def close(self) -> None:
        """Send what waits, then end."""
        self._outgoing.put(None)
        self._sender.join(timeout=5.0)
        self._stream.close()

    def _send(self) -> None:
        while (message := self._outgoing.get()) is not None:
            if isinstance(message, str):
                with self._lock:
                    message = self._frames.pop(message)
            try:
                self._stream.sendall(LENGTH.pack(len(message)) + message)
            except OSError:
                return  # the other side is gone; whoever reads hears of it

    def _read(self, count: int) -> bytes | None:
        parts, missing = list[bytes](), count
        while missing:
            try:
                part = self._stream.recv(min(missing, 2**20))
            except OSError:
                return None
            if not part:
                return None
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)
