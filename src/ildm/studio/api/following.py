"""Following a session over plain HTTP: its log, its events as they come, and its pictures."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ildm.core.errors import IldmError
from ildm.session.service.messages import PictureForm
from ildm.studio.api.context import Context, Here, User, errors, json_response, refusal, to_json
from ildm.studio.api.forms import EventList
from ildm.studio.api.sessions import SessionId
from ildm.studio.connections import Connections
from ildm.studio.outbox import LOST
from ildm.studio.room import Room
from ildm.studio.thumbnails import shrink

router = APIRouter(prefix="/api/sessions/{session_id}", tags=["following"])
KEEP_ALIVE = 15.0
"""Seconds after which a stream says that it is still there."""
_TYPES: dict[PictureForm, str] = {"png": "image/png", "jpeg": "image/jpeg", "session-png": "image/png"}
_SMALL: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}, 204: {"description": "There is none."}}
Node = Annotated[int | None, Query(ge=0, le=2**53 - 1, description="A state; none = where the session stands.")]


@router.get("/events", response_model=EventList, responses=errors())
async def events(
    here: Here, user: User, session_id: SessionId, since: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0
) -> Response:
    """The log from event number `since` on."""
    room = await here.rooms.find(user, session_id)
    if room.is_open:
        return json_response({"events": room.events[since:]})
    try:
        found = await asyncio.to_thread(here.store.events, session_id, since)
    except IldmError as error:
        raise refusal(error) from error
    return json_response({"events": [event.model_dump() for event in found]})


@router.get("/stream", response_class=StreamingResponse, responses=errors(409, 429, 503))
async def stream(
    request: Request,
    here: Here,
    user: User,
    session_id: SessionId,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> Response:
    """Events as they come (server-sent events): `id` is the number, `event` the kind, `data` the event as JSON.

    With `Last-Event-ID` those after it come first, otherwise all there were. Besides the log's own kinds there are `worker-lost` (the
    engine is gone, and started again), `restored` (some events were lost with it: the log goes on after the first `events`) and `failed`
    (the session cannot be begun or taken up). The stream ends after that, and when the session is deleted or the server stopped.
    """
    room = await here.rooms.enter(user, session_id)
    room.check()
    after = int(last_event_id) + 1 if last_event_id is not None and last_event_id.isdecimal() else 0
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    source = _stream(room, after, request.app.state.closing)
    return _Counted(here.connections, user, source, media_type="text/event-stream", headers=headers)


@router.get(
    "/image", response_class=Response, responses=errors(409, 503) | {200: {"content": {"image/png": {}, "image/jpeg": {}}}}
)
async def image(
    here: Here,
    user: User,
    session_id: SessionId,
    node: Node = None,
    form: Annotated[
        PictureForm, Query(description="png whole, jpeg a preview, session-png with all that restores it.")
    ] = "png",
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The picture behind a state: of a finished run, the picture; before that, what it will come to as far as is known."""
    room = await here.rooms.find(user, session_id)
    data = await _stored_picture(here, room, node) if form == "png" else None
    if data is None:
        data = (await here.rooms.draw(room, node, form)).payload
    tag = _tag_of(data)
    return _unchanged(tag, if_none_match) or Response(data, media_type=_TYPES[form], headers=_tagged(tag))


@router.get("/thumbnail", response_class=Response, responses=errors() | _SMALL)
async def thumbnail(
    here: Here,
    user: User,
    session_id: SessionId,
    node: Node = None,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """A small picture for a list, no side over 192 pixels: of a state, or of the session as it is now.

    There is none, and the answer is empty, where one would have to load a model or take the session up.
    """
    room = await here.rooms.find(user, session_id)
    # of one that is open where it is now, which may be further than its newest picture
    number = room.place["node"] if node is None and room.place is not None else node
    try:
        data = await asyncio.to_thread(here.store.picture, session_id, number)
    except IldmError:
        data = None
    data = data or await here.rooms.glance(room, node)
    if data is None:
        return Response(status_code=204)
    tag = _tag_of(data)
    known = _unchanged(tag, if_none_match)
    return known or Response(await asyncio.to_thread(shrink, data), media_type="image/jpeg", headers=_tagged(tag))


@router.get("/words/{word:path}", response_class=Response, responses=errors(409, 503) | {200: {"content": {"image/png": {}}}})
async def word_map(
    here: Here,
    user: User,
    session_id: SessionId,
    word: Annotated[
        str, Path(min_length=1, max_length=200, description="One of the prompt, or some that stand together in it.")
    ],
    node: Node = None,
) -> Response:
    """Where a word of the prompt acts, as a grey picture of the same size: white where it acts most.

    The run goes on meanwhile, and is the same afterwards. `x-ildm-node` says of which state it is.
    """
    room = await here.rooms.find(user, session_id)
    reply = await here.rooms.draw_word(room, word, node)
    return Response(reply.payload, media_type="image/png", headers={"x-ildm-node": str(reply.value["node"])})


@router.get("/frame", response_class=Response, responses=errors(409, 503) | {200: {"content": {"image/jpeg": {}}}})
async def frame(here: Here, user: User, session_id: SessionId) -> Response:
    """The newest preview of a running session, with its state's number in the headers `x-ildm-node`, `-step` and `-rev`."""
    room = await here.rooms.find(user, session_id)
    newest = room.frame
    if newest is None:
        reply = await here.rooms.draw(room, None, "jpeg")
        return Response(reply.payload, media_type="image/jpeg", headers={"x-ildm-node": str(reply.value["node"])})
    told = {f"x-ildm-{name}": str(newest.header[name]) for name in ("node", "step", "rev")}
    return Response(newest.data, media_type="image/jpeg", headers=told)


def _tag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def _tagged(tag: str) -> dict[str, str]:
    return {"etag": tag, "cache-control": "private, no-cache"}


def _unchanged(tag: str, if_none_match: str | None) -> Response | None:
    """The answer to whoever has it already."""
    if if_none_match is None or tag not in (part.strip().removeprefix("W/") for part in if_none_match.split(",")):
        return None
    return Response(status_code=304, headers=_tagged(tag))


async def _stored_picture(here: Context, room: Room, node: int | None) -> bytes | None:
    """A finished picture as it was kept, where it was."""
    if node is None and room.place is None:
        return None
    number = room.place["node"] if node is None and room.place is not None else node
    try:
        return await asyncio.to_thread(here.store.picture, room.id, number)
    except IldmError:
        return None


class _Counted(StreamingResponse):
    """A stream that is one of its user's connections as long as it lasts; refused before it has begun where there are too many."""

    def __init__(self, connections: Connections, user: str, *content: Any, **options: Any) -> None:
        super().__init__(*content, **options)
        self._connections, self._user = connections, user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._connections.of(self._user):
            await super().__call__(scope, receive, send)


async def _stream(room: Room, after: int, closing: asyncio.Event) -> AsyncIterator[str]:
    woken, epoch = room.follow(), room.epoch
    ending = asyncio.create_task(closing.wait())
    ending.add_done_callback(lambda _: woken.set())
    was_open = room.is_open
    try:
        while not closing.is_set() and not room.gone:
            if was_open and not room.is_open:
                yield _said("worker-lost", text=LOST)
            was_open = room.is_open
            if room.epoch != epoch:
                # some events have been lost with the engine: the log begins anew where it was saved
                after, epoch = min(after, len(room.events)), room.epoch
                yield _said("restored", events=after)
            for event in room.events[after:]:
                yield f"id: {event['seq']}\nevent: {event['kind']}\ndata: {to_json(event)}\n\n"
                after = event["seq"] + 1
            if room.problem is not None and not room.is_open:
                yield _said("failed", code=room.problem.code, text=room.problem.text)
                return
            try:
                async with asyncio.timeout(KEEP_ALIVE):
                    await woken.wait()
            except TimeoutError:
                yield ": still here\n\n"
            woken.clear()
    finally:
        ending.cancel()
        room.leave(woken)


def _said(kind: str, **fields: Any) -> str:
    """What is told beside the log, and has no number in it."""
    return f"event: {kind}\ndata: {to_json({'kind': kind, **fields})}\n\n"
