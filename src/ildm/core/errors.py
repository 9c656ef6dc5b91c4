"""What can go wrong, in words a person can act on.

Every message says what was given, what was expected and what to do. The command line prints the message alone and
exits with code 2; `--debug` shows the traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class IldmError(Exception):
    """The root of every error that is meant for a person to read."""


class ShapeError(IldmError):
    """A tensor, an image or a size does not fit where it was given."""


class ConfigError(IldmError):
    """A name, a key or a value of a configuration is unknown or out of range."""


class MissingError(ConfigError):
    """Nothing has the name or number that was given."""


class TakenError(ConfigError):
    """Something has that name already, or has it for good."""


class CheckpointError(IldmError):
    """A checkpoint is missing, damaged, of the wrong kind, or could not be written."""


class DataError(IldmError):
    """A data set or one of its files cannot be used."""


class StorageError(IldmError):
    """There is no room, or no permission, where a file had to be written."""


class ProtocolError(IldmError):
    """A message does not follow the protocol it claims to follow."""


_MOST_NAMED, _FEW = 20, 5


def nearest(given: str, known: Iterable[str], *, listed: str = "") -> str:
    """The end of an "unknown name" sentence: the nearest match when there is one, else what there is.

    Args:
        listed: what shows all names, for where there are too many for a sentence.
    """
    names = sorted(known)
    matches = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    if matches:
        return f"did you mean {matches[0]!r}?"
    if len(names) > _MOST_NAMED:
        more = f" and {len(names) - _FEW} more" + (f", which {listed} lists" if listed else "")
        return f"known: {', '.join(names[:_FEW])}{more}."
    return f"known: {', '.join(names)}." if names else "none are known."
