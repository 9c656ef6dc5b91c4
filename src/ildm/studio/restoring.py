"""What a picture restores: the session that it carries, or the settings that it names, ours or those of other programs."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ildm.checkpoint.named import known_names
from ildm.core import extensions
from ildm.core.errors import DataError, ProtocolError
from ildm.session.archive.carried import archive_in, carries_session
from ildm.session.archive.transfer import import_session
from ildm.session.pictures.file import read_call, read_settings
from ildm.session.pictures.parameters import read_parameters
from ildm.session.service.messages import Opening
from ildm.session.store import Store
from ildm.session.wire import from_json

FIELDS = ("prompt", "negative_prompt", "num_steps", "guidance_scale", "sampler", "seed", "width", "height", "strength", "model")
"""Of an opening: those that a picture may name."""


@dataclass(frozen=True)
class Restored:
    """What there was in a picture.

    Args:
        session: the one that it carries, which the user has now.
        opening: some fields of an `Opening`, where it carries none.
        missing: what it names that is not here, by field: a model or a sampler.
    """

    session: str | None = None
    opening: dict[str, Any] | None = None
    missing: dict[str, str] | None = None


def restore(store: Store, owner: str, data: bytes, most: int | None = None) -> Restored:
    """Look into a picture, and keep the session that it carries. Blocks.

    Args:
        data: a PNG file.
        most: see `ildm.session.archive.content.read_content`.

    Raises:
        DataError, ProtocolError: when what it carries is damaged, or comes from a newer version.
        StorageError: when the session cannot be kept.
    """
    with tempfile.TemporaryDirectory(prefix="ildm-") as folder:
        path = Path(folder) / "picture.png"
        path.write_bytes(data)
        try:
            if carries_session(path):
                with archive_in(path) as archive:
                    return Restored(session=import_session(store, archive, owner=owner, most=most).session_id)
            if read_call(path) is None and read_parameters(path) is None:
                return Restored()
            return _opening(read_settings(path)[0])
        except (DataError, ProtocolError) as error:
            # nobody knows that place
            raise type(error)(str(error).replace(str(path), "This picture")) from error


def _opening(settings: Mapping[str, Any]) -> Restored:
    known = {"model": known_names(), "sampler": extensions.names("ildm.samplers")}
    opening, missing = dict[str, Any](), dict[str, str]()
    for name in FIELDS:
        value = settings.get(name)
        if value is None or not _fits(name, value):
            continue
        if name in known and value not in known[name]:
            missing[name] = value
        else:
            opening[name] = value
    return Restored(opening=opening, missing=missing)


def _fits(name: str, value: Any) -> bool:
    """Whether an opening takes it: nobody has judged what other programs write."""
    try:
        from_json(Opening, json.dumps({name: value}))
    except (ProtocolError, ValueError):
        return False
    return True
