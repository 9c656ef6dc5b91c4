"""Workers: where sessions are computed. One for each device; a process on this machine, or one elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel

from ildm.session.envelope import Envelope


@dataclass(frozen=True)
class Reply:
    """What a worker answers.

    Args:
        value: plain values.
        payload: the bytes that were asked for.
    """

    value: Any
    payload: bytes = b""


@runtime_checkable
class Listener(Protocol):
    """Hears what a worker tells. Called on the event loop; must not wait."""

    def told(self, message: Envelope) -> None:
        """Hear one message (`Happened`, `Moved` or `Framed`)."""
        ...

    def ready(self) -> None:
        """The worker can be asked, for the first time or again."""
        ...

    def lost(self) -> None:
        """The worker is gone, with all that was open in it; another is on its way."""
        ...


@runtime_checkable
class Worker(Protocol):
    """Owns models and a device, and keeps sessions. All it takes and gives are messages, so it may live anywhere.

    `is_ready` says whether it can be asked; `problem` why it never will be; `restarts` how often it was lost.
    """

    is_ready: bool
    problem: str | None
    restarts: int

    async def start(self, listener: Listener) -> None:
        """Begin to get ready. Returns at once."""
        ...

    async def ask(self, request: BaseModel) -> Reply:
        """Have something done (see `ildm.session.service.messages`).

        Raises:
            Refused: when it cannot be done, or the worker is lost or not ready.
        """
        ...

    async def stop(self) -> None:
        """Have all kept, and end it."""
        ...
