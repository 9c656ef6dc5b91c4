"""Binary messages, between processes and to browsers: a few fixed bytes, a header in msgpack, and a payload of plain bytes.

    u8 version | u8 kind | u16 flags | u32 length of the header | header | payload        (numbers little-endian)

A picture or a mask travels as the payload, so that nobody copies it into a header and out again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import msgpack

from ildm.core.errors import ProtocolError

VERSION = 1
MAX_HEADER = 8 * 2**20
_START = struct.Struct("<BBHI")


class Kind(IntEnum):
    """What the payload is: nothing, a picture, or a mask's deflated rows."""

    EVENT = 1
    FRAME = 2
    MASK = 3


_KINDS = frozenset(map(int, Kind))


@dataclass(frozen=True)
class Envelope:
    """One binary message.

    Args:
        header: plain values with text keys; what it means is its readers' matter.
        payload: see `Kind`.
    """

    kind: Kind
    header: dict[str, Any]
    payload: bytes = field(default=b"", repr=False)

    def pack(self) -> bytes:
        """The message's bytes."""
        header: bytes = msgpack.packb(self.header, use_bin_type=True)  # pyright: ignore[reportAssignmentType]
        return _START.pack(VERSION, self.kind, 0, len(header)) + header + self.payload


def unpack(data: bytes | memoryview) -> Envelope:
    """Read a message.

    Raises:
        ProtocolError: when the bytes are none, or of a version that is not known here.
    """
    if len(data) < _START.size:
        raise ProtocolError(f"A binary message has at least {_START.size} bytes, but one of {len(data)} came.")
    version, kind, flags, length = _START.unpack_from(data)
    if version != VERSION:
        raise ProtocolError(f"Binary messages of version {VERSION} are read here, but one of version {version} came.")
    if kind not in _KINDS or flags != 0:
        raise ProtocolError(f"A binary message is of kind 1 to 3 without flags, but one of kind {kind}, flags {flags} came.")
    end = _START.size + length
    if length > MAX_HEADER or end > len(data):
        raise ProtocolError(f"A header of {length} bytes was announced in a message of {len(data)}.")
    try:
        header = msgpack.unpackb(data[_START.size : end], raw=False, strict_map_key=True)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise ProtocolError(f"The header of a message is no msgpack ({error or type(error).__name__}).") from error
    if not isinstance(header, dict):
        raise ProtocolError("The header of a message is a map, but something else came.")
    return Envelope(Kind(kind), header, bytes(data[end:]))
