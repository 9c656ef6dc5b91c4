"""What a model says about itself, carried in formats that have no place for it, so that it comes back whole.

A diffusers folder has it as a file beside `model_index.json`, a single file in its header. Other programs pass over both.
"""

from __future__ import annotations

import pydantic

from ildm.core.errors import CheckpointError
from ildm.core.manifest import Manifest

PORTABLE_FILE, PORTABLE_KEY = "ildm.json", "ildm"


def to_portable(manifest: Manifest, files: dict[str, str]) -> str:
    """A manifest as text, with the SHA-256 of the files it now lies with."""
    return manifest.model_copy(update={"files": files}).model_dump_json()


def from_portable(text: str, *, source: str) -> Manifest:
    """The manifest in `text`.

    Raises:
        CheckpointError: when it is damaged.
    """
    try:
        return Manifest.model_validate_json(text)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "its content"
        raise CheckpointError(f"{source} is not a valid manifest: {where}: {first['msg']}.") from error
