"""The page for people, and its files. They hold nothing that anybody might not see; what they ask for does."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from fastapi.responses import FileResponse, HTMLResponse, Response
from starlette.requests import Request

from ildm.studio.api.context import Here
from ildm.studio.notices import not_built
from ildm.studio.refusals import Refused

router = APIRouter(include_in_schema=False)
_FOR_EVER = "public, max-age=31536000, immutable"
_FOR_AN_HOUR = "public, max-age=3600"


@router.get("/")
async def page(here: Here, request: Request) -> Response:
    """The studio."""
    html = await asyncio.to_thread(here.page.html, request.state.nonce)
    return not_built(request.scope) if html is None else HTMLResponse(html)


@router.get("/assets/{name}")
async def asset(here: Here, name: str) -> Response:
    """A file whose name changes with what is in it."""
    return await _file(here, "assets", name, keep=_FOR_EVER)


@router.get("/favicon.svg")
async def icon(here: Here) -> Response:
    """The picture in a browser's tab."""
    return await _file(here, "favicon.svg", keep=_FOR_AN_HOUR)


async def _file(here: Here, *parts: str, keep: str) -> Response:
    found = await asyncio.to_thread(here.page.file, *parts)
    if found is None:
        raise Refused("not-found", "The page has no such file: reload it.")
    path, kind = found
    return FileResponse(path, media_type=kind, headers={"cache-control": keep})
