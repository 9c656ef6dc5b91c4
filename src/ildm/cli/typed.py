"""What was typed on a command line, as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ildm.core.errors import ConfigError
from ildm.core.text import is_text


def check_typed(arguments: Sequence[str]) -> None:
    """See that everything typed is UTF-8, prompts above all; only the name of a file that is there may be anything.

    Raises:
        ConfigError: for the first argument that is not.
    """
    odd = next((one for one in arguments if not is_text(one) and not _is_there(one)), None)
    if odd is not None:
        raise ConfigError(
            f"{odd!a} is not UTF-8 as this terminal passes it on: type it in one that is set to UTF-8 (LC_ALL=C.UTF-8 sets a "
            "plain one)."
        )


def _is_there(argument: str) -> bool:
    """Whether an argument, or what stands behind its equals sign, names a file or folder."""
    try:
        return any(Path(name).exists() for name in (argument, argument.partition("=")[2]) if name)
    except OSError:  # too long for a name, say
        return False
