"""Pictures and masks that are sent before they are used."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from ildm.core.errors import StorageError
from ildm.studio.api.context import Here, User, errors, refusal
from ildm.studio.api.forms import UploadInfo

router = APIRouter(prefix="/api/uploads", tags=["uploads"])
UploadId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="As the server has told it.")]
_FILE = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/png", "image/jpeg", "image/webp")
        },
    }
}


@router.post("", status_code=201, responses=errors(413, 415, 429), openapi_extra=_FILE)
async def send(here: Here, user: User, request: Request) -> UploadInfo:
    """Send a PNG, JPEG or WebP file. What it says about anything but ildm is dropped."""
    data = await request.body()
    try:
        taken = await asyncio.to_thread(here.uploads.take, user, data)
    except StorageError as error:
        raise refusal(error) from error
    return UploadInfo(id=taken.id, width=taken.width, height=taken.height, bytes=taken.bytes)


@router.get("/{upload}", response_class=Response, responses=errors() | {200: {"content": {"image/png": {}}}})
async def fetch(here: Here, user: User, upload: UploadId) -> Response:
    """A file that was sent, as the PNG it was written as."""
    data = await asyncio.to_thread(here.uploads.read, user, upload)
    return Response(data, media_type="image/png", headers={"cache-control": "private, max-age=31536000, immutable"})
