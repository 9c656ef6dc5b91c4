"""What every route has at hand, and how it answers."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from ildm.core.errors import IldmError, MissingError, StorageError, TakenError
from ildm.session.store import Store
from ildm.studio.access import Access
from ildm.studio.api.forms import ErrorAnswer
from ildm.studio.connections import Connections
from ildm.studio.metrics import Metrics
from ildm.studio.page import Page
from ildm.studio.refusals import Refused
from ildm.studio.rooms import Rooms
from ildm.studio.uploads import Uploads


@dataclass(frozen=True)
class Context:
    """One server's parts."""

    rooms: Rooms
    store: Store
    uploads: Uploads
    access: Access
    metrics: Metrics
    connections: Connections
    page: Page
    restoring: asyncio.Lock = field(default_factory=asyncio.Lock)


def _context(request: Request) -> Context:
    return request.app.state.context


def _user(request: Request) -> str:
    return request.state.visitor.user


Here = Annotated[Context, Depends(_context)]
User = Annotated[str, Depends(_user)]

_SENTENCES = {
    400: "The request cannot be read.",
    401: "Nobody knows who asks.",
    403: "Another page asks, or by another name.",
    404: "There is no such thing, or it is somebody else's.",
    405: "Not with this method.",
    409: "Not now.",
    413: "Too large.",
    415: "Of a kind that is not taken.",
    422: "A value is missing, unknown or out of range.",
    429: "Over a limit: try again later.",
    503: "The engine is not ready.",
}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route when something is wrong, for the description of the API; those of every route are among them."""
    told = sorted({400, 401, 403, 404, 422, *statuses})
    return {status: {"model": ErrorAnswer, "description": _SENTENCES[status]} for status in told}


def refusal(error: IldmError) -> Refused:
    """An error of the layers below, as it is told."""
    if isinstance(error, StorageError):
        return Refused("failed", str(error))
    if isinstance(error, MissingError):
        return Refused("not-found", str(error))
    return Refused("not-now" if isinstance(error, TakenError) else "bad-value", str(error))


def to_json(value: Any) -> str:
    """Plain values as JSON; bytes are base64 with the letters that are safe in addresses (RFC 4648, section 5)."""
    return json.dumps(value, ensure_ascii=False, default=_in_letters)


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain values as an answer."""
    return Response(to_json(value), status, media_type="application/json", headers=headers)


def _in_letters(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be told as JSON")
