"""How long a study has taken over all its sittings, and when its budget is spent."""

from __future__ import annotations

import json
import time
from pathlib import Path

from ildm.core.files import write_json


class Clock:
    """Counts the seconds of a study across stops; a kill loses what was not noted since the last piece of work.

    Args:
        path: where they are kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = _read(path)
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Spent so far, this sitting included."""
        return self._before + time.monotonic() - self._begun

    def left(self, budget: float | None) -> float | None:
        """Seconds until `budget` is spent, at least 0; None without one."""
        return None if budget is None else max(0.0, budget - self.seconds)

    def note(self) -> None:
        """Keep what was counted."""
        write_json(self._path, {"seconds": round(self.seconds, 1)})


def _read(path: Path) -> float:
    try:
        return float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        # a clock that cannot be read counts anew: the work itself is kept elsewhere
        return 0.0
