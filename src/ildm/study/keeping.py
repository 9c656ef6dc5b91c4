"""What a study was asked, and what was measured of an arm, kept in folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.core.files import write_json

FORMAT, VERSION = "ildm-study", 1
"""Of every study's report."""
FILE = "result.json"
_ASKED = "study.json"
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


def claim(folder: Path, config: Any) -> None:
    """Begin the study of a configuration, a frozen dataclass, in a folder, or see that it is the one there.

    Raises:
        ConfigError: when the folder belongs to a study of other settings.
    """
    path, asked = folder / _ASKED, json.loads(json.dumps(to_json(config)))
    if not path.exists():
        write_json(path, asked)
        return
    try:
        former = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}), so it is not known what the study there is: remove the folder, or choose another --name."
        ) from error
    if former != asked:
        raise ConfigError(f"The study in {folder} was begun with other settings: take those, or choose another --name.")
