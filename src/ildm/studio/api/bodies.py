"""Reading bodies, with uploads in place of pictures and masks."""

from __future__ import annotations

import base64
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from ildm.core.errors import ProtocolError
from ildm.session.commands import Command
from ildm.session.wire import from_json
from ildm.studio.api.context import to_json
from ildm.studio.refusals import Refused
from ildm.studio.uploads import Uploads

PICTURES = ("image",)
MASKS = ("change_map", "area", "mask", "patch")
"""The fields of commands that hold a picture's file, and those that hold a mask."""
MAX_DEPTH = 12
Read = TypeVar("Read", bound=BaseModel)


def command_in(fields: dict[str, Any], uploads: Uploads, user: str) -> Command:
    """A command as it came in JSON.

    Raises:
        Refused: when it is none, or refers to an upload that is not there.
    """
    return _checked(Command, fields, uploads, user)


def read_into(form: type[Read], fields: dict[str, Any], uploads: Uploads, user: str) -> Read:
    """Any other form that may refer to uploads.

    Raises:
        Refused: when it does not follow the form, or refers to an upload that is not there.
    """
    return _checked(form, fields, uploads, user)


def _checked(form: Any, fields: dict[str, Any], uploads: Uploads, user: str) -> Any:
    filled = _filled(fields, uploads, user, MAX_DEPTH)
    try:
        return from_json(form, to_json(filled))
    except ProtocolError as error:
        raise Refused("bad-value", str(error)) from error


def _filled(value: Any, uploads: Uploads, user: str, depth: int) -> Any:
    """The same with files in place of references to them."""
    if depth == 0:
        raise Refused("bad-value", f"A command is nested at most {MAX_DEPTH} deep.")
    if isinstance(value, list):
        return [_filled(part, uploads, user, depth - 1) for part in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    filled = dict[str, Any]()
    for name, part in cast("dict[str, Any]", value).items():
        if isinstance(part, dict) and part.keys() == {"upload"}:
            filled[name] = _file(name, str(cast("dict[str, Any]", part)["upload"]), uploads, user)
        else:
            filled[name] = _filled(part, uploads, user, depth - 1)
    return filled


def _file(name: str, number: str, uploads: Uploads, user: str) -> Any:
    if name in PICTURES:
        return base64.urlsafe_b64encode(uploads.read(user, number)).decode()
    if name in MASKS:
        return uploads.read_mask(user, number).model_dump()
    raise Refused("bad-value", f"An upload can stand for {', '.join((*PICTURES, *MASKS))}, not for {name[:60]!r}.")
