"""Presets: regions and settings under a name."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path
from fastapi.responses import Response

from ildm.core.errors import DataError, IldmError
from ildm.session.region_files import parse_preset, preset_text
from ildm.session.region_library import RegionLibrary
from ildm.session.region_presets import RegionPreset, preset_of
from ildm.session.service.messages import Opening
from ildm.session.settings import Settings
from ildm.session.wire import Mask, from_json, from_msgpack
from ildm.studio.api.context import Context, Here, User, errors, refusal
from ildm.studio.api.forms import NewName, PresetBody, PresetContent, PresetItem, PresetList
from ildm.studio.refusals import Refused

router = APIRouter(prefix="/api/presets", tags=["presets"])
Kind = Literal["regions", "settings"]
PresetName = Annotated[str, Path(min_length=1, max_length=200)]
SETTINGS: Kind = "settings"
_CHOSEN = ("prompt", "negative_prompt", "num_steps", "guidance_scale", "sampler", "seed", "width", "height")
_PATIENCE, _PAUSE = 3.0, 0.05  # seconds: for the disk, and between two looks at it
Result = TypeVar("Result")


@router.get("", responses=errors())
async def list_presets(here: Here, user: User) -> PresetList:
    """Your presets, and those that come with ildm."""

    def find() -> list[PresetItem]:
        own = here.store.presets.of(user)
        regions = [
            PresetItem(kind="regions", name=one.name, origin=one.origin, problem=one.problem or None)
            for one in RegionLibrary(own).all()
        ]
        return regions + [PresetItem(kind=SETTINGS, name=one.name, origin="own") for one in own.all(SETTINGS)]

    return PresetList(presets=await _beside(find))


@router.get("/{kind}/{name}", responses=errors())
async def load(here: Here, user: User, kind: Kind, name: PresetName) -> PresetContent:
    """A preset, whole."""

    def read() -> dict[str, Any]:
        own = here.store.presets.of(user)
        if kind == SETTINGS:
            return json.loads(own.load(SETTINGS, name))
        return json.loads(preset_text(RegionLibrary(own).load(name)))

    return PresetContent(kind=kind, name=name, content=await _beside(read))


@router.put("/{kind}/{name}", status_code=201, responses=errors(409, 413, 415, 429, 503))
async def save(here: Here, user: User, kind: Kind, name: PresetName, body: PresetBody) -> PresetItem:
    """Keep a preset: what is given, or what a session of yours is like now."""
    _check_name(name)
    if (body.content is None) is (body.session is None):
        raise Refused("bad-value", "A preset is made of its content or of a session: give one of the two.")
    view = None if body.session is None else await _view_of(here, user, body.session)

    def keep() -> None:
        own = here.store.presets.of(user)
        if kind == SETTINGS:
            content = _opening_of(view) if view else from_json(Opening, json.dumps(body.content))
            data = content.model_dump_json(exclude_unset=True).encode()
            own.save(SETTINGS, name, data, replace=body.replace)
        else:
            preset = _regions_of(here, view, name) if view else parse_preset(json.dumps(body.content), source="The preset")
            RegionLibrary(own).keep(preset.model_copy(update={"name": name}), replace=body.replace)

    await _beside(keep)
    return PresetItem(kind=kind, name=name, origin="own")


@router.post("/{kind}/{name}/name", responses=errors(409, 413, 415, 429))
async def rename(here: Here, user: User, kind: Kind, name: PresetName, new: NewName) -> PresetItem:
    """Give a preset of yours another name."""
    _check_name(new.name)
    own = here.store.presets.of(user)
    work = (
        (lambda: own.rename(SETTINGS, name, new.name))
        if kind == SETTINGS
        else (lambda: RegionLibrary(own).rename(name, new.name))
    )
    await _beside(work)
    return PresetItem(kind=kind, name=new.name, origin="own")


@router.delete("/{kind}/{name}", status_code=204, response_class=Response, responses=errors(409, 429))
async def remove(here: Here, user: User, kind: Kind, name: PresetName) -> None:
    """Forget a preset of yours."""
    own = here.store.presets.of(user)
    await _beside((lambda: own.delete(SETTINGS, name)) if kind == SETTINGS else (lambda: RegionLibrary(own).remove(name)))


def _check_name(name: str) -> None:
    """Refuse what cannot be a part of an address."""
    if "/" in name or name in (".", ".."):
        raise Refused("bad-value", "A preset's name has no '/' in it, and is not '.' or '..': choose another one.")


async def _beside(work: Callable[[], Result]) -> Result:
    """Do something with the store, in a thread."""
    try:
        return await asyncio.to_thread(work)
    except IldmError as error:
        raise refusal(error) from error


async def _view_of(here: Context, user: str, session_id: str) -> dict[str, Any]:
    """The fields of a `SessionView`, of a session of the user's as it is now."""
    room = await here.rooms.find(user, session_id)
    await here.rooms.open_again(room)
    return room.view()


def _opening_of(view: dict[str, Any]) -> Opening:
    settings = view["place"]["settings"]
    return Opening(model=view["model"], **{name: settings[name] for name in _CHOSEN})


def _regions_of(here: Context, view: dict[str, Any], name: str) -> RegionPreset:
    settings, deadline = Settings.model_validate(view["place"]["settings"]), time.monotonic() + _PATIENCE
    stored = here.store.load(view["session"])

    def mask_of(blob: str) -> Mask:
        nonlocal stored
        # what was painted a moment ago may still be on its way to the disk
        while (data := stored.blob(blob)) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            stored = here.store.load(view["session"])
        if data is None:
            raise DataError("A mask of this session is not on the disk yet: try again in a second.")
        return from_msgpack(Mask, data)

    return preset_of(settings, mask_of, name)
