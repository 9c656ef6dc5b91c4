"""Requests that are right in themselves and yet cannot be met. Each has the code that a rejection carries to a front end."""

from __future__ import annotations

from typing import ClassVar

from ildm.core.errors import ConfigError, DataError, IldmError
from ildm.session.events import RejectionCode


class NotNow(ConfigError):  # noqa: N818 - an answer, not a fault
    """Not in the state that the run is in: a later or an earlier moment may do."""

    code: ClassVar[RejectionCode] = "not-now"


class Unsupported(ConfigError):  # noqa: N818 - an answer, not a fault
    """Not with this model, or not by this version."""

    code: ClassVar[RejectionCode] = "unsupported"


def code_of(error: IldmError) -> RejectionCode:
    """The code of a rejection."""
    if isinstance(error, NotNow | Unsupported):
        return error.code
    return "bad-value" if isinstance(error, ConfigError | DataError) else "failed"
