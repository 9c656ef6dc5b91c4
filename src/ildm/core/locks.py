"""Locks on files and folders, which the system lifts when whoever holds them ends, however that comes about."""

from __future__ import annotations

import fcntl


def lock(descriptor: int, *, wait: bool = False) -> bool | None:
    """Lock what an open descriptor stands for, until it is closed everywhere.

    Args:
        wait: for as long as somebody else has it.

    Returns:
        Whether it is locked; None where the disk knows no locks, so that nobody can tell.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
