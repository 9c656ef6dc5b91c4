"""Sessions: begun, listed, looked at, changed, named, deleted."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from ildm.core.errors import IldmError
from ildm.session.mask_pictures import png_of_mask
from ildm.session.service.messages import Opening
from ildm.session.storage.records import SessionSummary
from ildm.session.view import SessionView, revision, view_of_stored
from ildm.session.wire import Mask, from_msgpack
from ildm.studio.api.bodies import command_in, read_into
from ildm.studio.api.context import Context, Here, User, errors, json_response, refusal
from ildm.studio.api.forms import (
    EditAnswer,
    EditRequest,
    PictureToRestore,
    RestoreAnswer,
    SessionItem,
    SessionList,
    Title,
)
from ildm.studio.refusals import Refused, no_such_session
from ildm.studio.restoring import Restored
from ildm.studio.restoring import restore as restore_picture
from ildm.studio.room import Room

MASK_PATIENCE = 2.0
"""Seconds for which a mask or a picture is waited for that is on its way to the disk."""
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
UNCHANGING = {"cache-control": "private, max-age=31536000, immutable"}

router = APIRouter(prefix="/api/sessions", tags=["sessions"])
SessionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="Its id, as a list or its start has told it.")]
_OPENING = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Opening"},
                "example": {"prompt": "a red apple on a plain blue background", "num_steps": 25, "seed": 7},
            }
        },
    }
}


@router.post("", status_code=201, responses=errors(409, 413, 429, 503) | {202: {"model": SessionItem}}, openapi_extra=_OPENING)
async def start(here: Here, user: User, opening: dict[str, Any]) -> Response:
    """Begin a session. 201 when it has begun, 202 when it waits for its turn."""
    checked = await asyncio.to_thread(read_into, Opening, opening, here.uploads, user)
    room = here.rooms.start(user, checked)
    await here.rooms.settled(room)
    item = _item_of(here, room)
    status = 202 if item.waiting is not None else 201
    return json_response(item.model_dump(), status, {"location": f"/api/sessions/{room.id}"})


@router.get("", responses=errors())
async def list_sessions(
    here: Here,
    user: User,
    search: Annotated[str, Query(max_length=200, description="A part of a title, an id, a model's name or a prompt.")] = "",
    offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> SessionList:
    """Your sessions: those that wait for their turn, then the others, the one that changed last first."""
    stored = await asyncio.to_thread(here.store.sessions, search or None, owner=user)
    waiting = (_item_of(here, room) for room in here.rooms.waiting_of(user))
    sought = search.casefold()
    found = [one for one in waiting if any(sought in text.casefold() for text in (one.title, one.id, one.model))]
    found += [_stored_item(here, summary) for summary in stored]
    return SessionList(sessions=found[offset : offset + limit], total=len(found))


@router.post("/restore", response_model_exclude_unset=True, responses=errors(413, 415, 429))
async def restore(here: Here, user: User, picture: PictureToRestore) -> RestoreAnswer:
    """Take back what a picture brings along: its whole session, or the settings that it names, ours or in A1111's form."""

    def look() -> Restored:
        return restore_picture(here.store, user, here.uploads.read(user, picture.upload), here.rooms.limits.carried_bytes)

    try:
        async with here.restoring:  # one at a time is in memory
            found = await asyncio.to_thread(look)
    except IldmError as error:
        raise refusal(error) from error
    if found.session is not None:
        return RestoreAnswer(session=found.session)
    if found.missing:
        return RestoreAnswer(opening=found.opening, missing=found.missing)
    return RestoreAnswer(opening=found.opening)


@router.get("/{session_id}", response_model=SessionView, responses=errors(409, 503) | {202: {"model": SessionItem}})
async def look(here: Here, user: User, session_id: SessionId) -> Response:
    """A session: where it stands, and its tree. 202 while it waits for its turn."""
    room = await here.rooms.find(user, session_id)
    room.check()
    if here.rooms.waiting(room) is not None:
        return json_response(_item_of(here, room).model_dump(), 202)
    if room.is_open:
        return json_response(room.view())
    stored = await asyncio.to_thread(_stored_view, here, session_id)
    return json_response(stored.model_dump())


@router.patch("/{session_id}", responses=errors(409, 413, 415, 429))
async def rename(here: Here, user: User, session_id: SessionId, title: Title) -> SessionItem:
    """Give a session another title."""
    here.rooms.check_begun(await here.rooms.find(user, session_id))

    def name() -> SessionSummary | None:
        here.store.rename(session_id, title.title)
        return here.store.summary(session_id)

    try:
        summary = await asyncio.to_thread(name)
    except IldmError as error:
        raise refusal(error) from error
    if summary is None:
        raise no_such_session(session_id)  # deleted meanwhile
    return _stored_item(here, summary)


@router.delete("/{session_id}", status_code=204, response_class=Response, responses=errors(429, 503))
async def delete(here: Here, user: User, session_id: SessionId) -> None:
    """Forget a session and all that was kept of it."""
    await here.rooms.delete(await here.rooms.find(user, session_id))


@router.post("/{session_id}/edits", responses=errors(409, 413, 415, 429, 503))
async def edit(here: Here, user: User, session_id: SessionId, request: EditRequest) -> EditAnswer:
    """Change something. It acts at the next step boundary, and this answer says at which; a request that comes twice acts once."""
    if (request.client is None) is not (request.op is None):
        raise Refused("bad-value", "A client's name and the number of its message go together: give both of client and op.")
    command = await asyncio.to_thread(command_in, request.command, here.uploads, user)
    room = await here.rooms.find(user, session_id)
    client = f"{user}/{request.client or secrets.token_urlsafe(12)}"
    number = await here.rooms.edit(room, command, client, request.op or 0, request.base_rev)
    if request.wait == 0.0:
        return EditAnswer(number=number, state="taken", rev=room.rev)
    return await _answer(room, number, request.wait)


@router.get("/{session_id}/masks/{mask}", response_class=Response, responses=errors() | {200: {"content": {"image/png": {}}}})
async def mask(
    here: Here,
    user: User,
    session_id: SessionId,
    mask: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="As the settings name it.")],
) -> Response:
    """A mask that a session's settings name, as a grey picture. It is on the disk a moment after it acts, and waited for so long."""
    data = await _blob(here, user, session_id, mask)
    try:
        picture = await asyncio.to_thread(lambda: png_of_mask(from_msgpack(Mask, data)))
    except IldmError as error:
        raise refusal(error) from error
    return Response(picture, media_type="image/png", headers=UNCHANGING)


@router.get(
    "/{session_id}/shown/{picture}", response_class=Response, responses=errors() | {200: {"content": {"image/png": {}}}}
)
async def shown(
    here: Here,
    user: User,
    session_id: SessionId,
    picture: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="As the settings name it.")],
) -> Response:
    """What a session's model is shown beside the prompt, as it was kept: scaled to what is drawn. Waited for as a mask is."""
    data = await _blob(here, user, session_id, picture)
    if not data.startswith(PNG_SIGNATURE):
        raise Refused("not-found", "This is no picture that a model is shown: give its name from the session's settings.")
    return Response(data, media_type="image/png", headers=UNCHANGING)


async def _blob(here: Context, user: str, session: str, name: str) -> bytes:
    await here.rooms.find(user, session)
    until = time.monotonic() + MASK_PATIENCE
    try:
        while (data := await asyncio.to_thread(lambda: here.store.load(session).blob(name))) is None:
            if time.monotonic() > until:
                raise Refused("not-found", "There is no such thing on the disk (yet): ask again in a second.")
            await asyncio.sleep(0.05)
    except IldmError as error:
        raise refusal(error) from error
    return data


async def _answer(room: Room, number: int, patience: float) -> EditAnswer:
    answer = room.answer_to(number)
    try:
        async with asyncio.timeout(patience):
            event = await answer
            # whoever looks at the session next finds what this did
            await room.stand(room.rev)
    except TimeoutError:
        return EditAnswer(number=number, state="taken", rev=room.rev)
    finally:
        room.give_up(number, answer)
    if event["kind"] == "command-rejected":
        code = event["code"]
        raise Refused("stale" if code == "superseded" else code, event["text"])
    return EditAnswer(number=number, state="applied", step=event["applied_step"], node=event["node"], rev=room.rev)


def _item_of(here: Context, room: Room) -> SessionItem:
    waiting = here.rooms.waiting(room)
    status: Any = "waiting" if waiting is not None else room.status or "opening"
    title = room.place["settings"]["prompt"] if room.place else room.title
    return SessionItem(id=room.id, title=title, model=room.model, status=status, num_states=len(room.nodes), waiting=waiting)


def _stored_item(here: Context, one: SessionSummary) -> SessionItem:
    return SessionItem(
        id=one.id,
        title=one.title,
        model=one.model,
        status=here.rooms.status_of(one.id) or one.status,
        created=one.created,
        updated=one.updated,
        num_states=one.num_nodes,
        bytes=one.bytes,
    )


def _stored_view(here: Context, session_id: str) -> SessionView:
    try:
        return view_of_stored(here.store.load(session_id), revision(here.store.events(session_id)))
    except IldmError as error:
        raise refusal(error) from error
