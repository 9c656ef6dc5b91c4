"""What was measured of an arm, kept in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.core.files import write_json

FILE = "result.json"
Result = TypeVar("Result")


def keep_result(result: Any, folder: Path) -> None:
    """Write a result, a frozen dataclass, into an arm's folder."""
    write_json(folder / FILE, to_json(result))


def load_result(kind: type[Result], folder: Path) -> Result | None:
    """What an arm's folder tells; None when it is new.

    Raises:
        DataError: when it is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return from_json(kind, json.loads(path.read_text(encoding="utf-8")), where="result")
    except (OSError, ValueError, TypeError, ConfigError) as error:
        raise DataError(f"{path} cannot be read ({error}): remove it, and this arm is measured again.") from error
