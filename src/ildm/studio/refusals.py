"""What a client is told when something cannot be done: a code for programs, a sentence for people."""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "bad-value",
    "bad-message",
    "not-found",
    "not-now",
    "unsupported",
    "stale",
    "busy",
    "too-large",
    "wrong-type",
    "forbidden",
    "no-access",
    "worker-lost",
    "not-ready",
    "failed",
]

STATUS: dict[Code, int] = {
    "bad-value": 422,
    "bad-message": 400,
    "not-found": 404,
    "not-now": 409,
    "unsupported": 422,
    "stale": 409,
    "busy": 429,
    "too-large": 413,
    "wrong-type": 415,
    "forbidden": 403,
    "no-access": 401,
    "worker-lost": 503,
    "not-ready": 503,
    "failed": 500,
}
"""The HTTP status that goes with a code."""


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """Something that cannot be done, as it is told.

    Args:
        code: for programs.
        text: one sentence for people.
    """

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code: Code = code
        self.text = text


def too_large(num_bytes: int) -> Refused:
    """What is told of a body that is larger than so many bytes, as soon as that is known."""
    return Refused("too-large", f"A request has at most {num_bytes // 2**20} MiB here: make what it sends smaller.")


def no_such_session(session_id: str) -> Refused:
    """Also what somebody is told whose session it is not."""
    return Refused("not-found", f"There is no session {session_id[:64]!r}: the list of sessions shows those there are.")
