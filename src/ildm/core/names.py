"""Names that become folders."""

from __future__ import annotations

import re

from ildm.core.errors import ConfigError

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_name(name: str, what: str) -> str:
    """See that a name is a plain file name on every system: it can lead nowhere else.

    Args:
        what: is named, with its article, for the sentence.

    Raises:
        ConfigError: when it has anything but letters, digits, dots, dashes and underscores, or begins with a dot or a dash.
    """
    if _PLAIN.fullmatch(name) is None:
        raise ConfigError(
            f"The name of {what} has letters, digits, dots, dashes and underscores, and begins with a letter or a digit, "
            f"but {name!r} was given."
        )
    return name
