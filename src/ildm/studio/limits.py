"""How much one server does at a time. Over a limit there is a polite refusal, never a hang."""

from __future__ import annotations

from dataclasses import dataclass

from ildm.session.commands import (
    Command,
    Compare,
    DislikeArea,
    RedoArea,
    Resume,
    SetNumSteps,
    StartFromImage,
    StartOver,
    StepOnce,
)
from ildm.session.service.messages import Opening
from ildm.studio.refusals import Refused

_MAKES_STEPS = (Resume, StepOnce, Compare, RedoArea, DislikeArea, StartFromImage, StartOver)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """All of them.

    Args:
        running: sessions that make steps at once; others wait in a queue.
        open: sessions in memory at once, running or resting.
        open_per_user: how many of those may be one user's.
        queue: sessions that wait for their first step.
        queue_per_user: how many of those may be one user's.
        steps: of one run.
        pixels: of one picture.
        upload_bytes: of one file; message_bytes: of one message over a socket, and of JSON in a request.
        carried_bytes: of the log and the tree of a session that a picture carries, which are in memory while it is restored.
        uploads: files kept for each user, and upload_total the bytes of all of them; the oldest goes first.
        connections: sockets and event streams at once; connections_per_user: of one user.
        requests_per_second: of one user over HTTP, those that change something; in the long run, twice as many at once.
        messages_per_second: from one socket, in the long run; twice as many at once. An acknowledgement counts a tenth.
    """

    running: int = 8
    open: int = 32
    open_per_user: int = 24
    queue: int = 32
    queue_per_user: int = 16
    steps: int = 250
    pixels: int = 1024 * 1024
    upload_bytes: int = 32 * 2**20
    message_bytes: int = 8 * 2**20
    carried_bytes: int = 64 * 2**20
    uploads: int = 200
    upload_total: int = 2**30
    connections: int = 256
    connections_per_user: int = 64
    requests_per_second: int = 500
    messages_per_second: int = 200

    def body_bytes(self, content_type: str | None) -> int:
        """How large a request may be: plain values take far more memory than they have bytes."""
        is_json = (content_type or "").partition(";")[0].strip().lower() == "application/json"
        return min(self.message_bytes, self.upload_bytes) if is_json else self.upload_bytes

    def check_opening(self, opening: Opening) -> None:
        """Refuse a session that is too large.

        Raises:
            Refused: when it is.
        """
        self._check_steps(opening.num_steps)
        # a side that is not given is the model's own, and counts as long as the other one
        width, height = opening.width or opening.height, opening.height or opening.width
        if width is not None and height is not None:
            self._check_pixels(width, height)

    def check_command(self, command: Command, num_steps: int, size: tuple[int, int]) -> None:
        """Refuse a change that makes a run too large, and steps of one that came as large as that.

        Args:
            num_steps, size: of the run as it is, (width, height).

        Raises:
            Refused: when it does.
        """
        if isinstance(command, _MAKES_STEPS):
            self._check_steps(num_steps)
            if not isinstance(command, StartOver):
                self._check_pixels(*size)
        match command:
            case SetNumSteps(num_steps=num_steps):
                self._check_steps(num_steps)
            case StartOver(width=width, height=height):
                self._check_pixels(width or size[0], height or size[1])
            case Compare(choices=choices):
                for choice in choices:
                    self._check_steps(choice.num_steps)
            case _:
                pass

    def is_within(self, num_steps: int, size: tuple[int, int]) -> bool:
        """Whether a run is as large as one may be here, at most."""
        return num_steps <= self.steps and size[0] * size[1] <= self.pixels

    def _check_steps(self, num_steps: int | None) -> None:
        if num_steps is not None and num_steps > self.steps:
            raise Refused("bad-value", f"A run has at most {self.steps} steps here, but {num_steps} were asked for.")

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self.pixels:
            raise Refused(
                "bad-value",
                f"A picture has at most {self.pixels} pixels here, but {width}x{height} was asked for: choose a smaller size.",
            )


class Bucket:
    """Lets so many things through in a second, and twice as many at once.

    Args:
        rate: a second.
        now: seconds by any clock.
    """

    def __init__(self, rate: float, now: float) -> None:
        self._rate, self._level, self._at = rate, 2.0 * rate, now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Whether one more may come through, that counts as so much of one."""
        self._level = min(2.0 * self._rate, self._level + (now - self._at) * self._rate)
        self._at = now
        if self._level < cost:
            return False
        self._level -= cost
        return True
