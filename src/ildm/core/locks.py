"""Locks on files and folders, which the system lifts when whoever holds them ends, however that comes about."""

from __future__ import annotations

import fcntl
import time

_POLL = 0.05  # seconds between two tries


def lock(descriptor: int, *, wait: bool = False, patience: float = 0.0) -> bool | None:
    """Lock what an open descriptor stands for, until it is closed everywhere.

    Args:
        wait: for as long as somebody else has it.
        patience: seconds to try, where somebody else has it: of a program that was killed, what it had begun ends a little later.

    Returns:
        Whether it is locked; None where the disk knows no locks, so that nobody can tell.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL)
        except OSError:
            return None
        else:
            return True
