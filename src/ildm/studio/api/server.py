"""The server itself: whether it lives, what it is and allows, its models, and the way in for another browser."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.requests import Request

from ildm import __version__
from ildm.session.service.messages import ListModels
from ildm.studio.access import COOKIE_DAYS
from ildm.studio.api.context import Here, User, errors
from ildm.studio.api.forms import Health, LaunchLink, ModelInfo, ServerInfo
from ildm.studio.notices import come_in
from ildm.studio.refusals import Refused

router = APIRouter(tags=["server"])


@router.get("/healthz", responses={403: errors()[403]})
async def alive() -> Health:
    """Whether the server lives."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={403: errors()[403], 503: {"model": Health}})
async def ready(here: Here) -> Response:
    """Whether its model is loaded; 503 until then."""
    worker = here.rooms.worker
    if worker.is_ready:
        return JSONResponse({"status": "ok"})
    reason = worker.problem or ("the engine is started again" if worker.restarts else "the model is being loaded")
    return JSONResponse({"status": reason}, 503)


@router.get("/metrics", response_class=Response, responses=errors() | {200: {"content": {"text/plain": {}}}})
async def metrics(here: Here, user: User) -> Response:
    """What it counts and measures, for Prometheus."""
    del user
    return Response(here.metrics.text(), media_type="text/plain; version=0.0.4")


@router.get("/api/server", responses=errors())
async def about(here: Here, user: User) -> ServerInfo:
    """What this server is, and what it allows."""
    worker = here.rooms.worker
    limits: dict[str, Any] = vars(here.rooms.limits)
    return ServerInfo(
        version=__version__, ready=worker.is_ready, problem=worker.problem, model=here.rooms.model, user=user, limits=limits
    )


@router.get("/api/models", responses=errors(503))
async def models(here: Here, user: User) -> list[ModelInfo]:
    """The models that a session can name."""
    del user
    reply = await here.rooms.worker.ask(ListModels())
    return [ModelInfo.model_validate(fields) for fields in reply.value]


@router.post("/api/launch", status_code=201, responses=errors(413, 415, 429))
async def new_launch(here: Here, user: User) -> LaunchLink:
    """A link that opens the studio for you in another browser, once."""
    return LaunchLink(path=f"/launch?token={here.access.new_launch(user)}")


@router.get("/launch", include_in_schema=False)
async def launch(here: Here, request: Request, token: str = "") -> Response:
    """The door: a one-time token becomes a cookie."""
    try:
        cookie = here.access.redeem(token)
    except Refused:
        # who is in already may come by a used link, as a browser does that opens its pages anew
        if not here.access.lets_in(request.cookies):
            raise
        return RedirectResponse("/", 303)
    is_sent = request.headers.get("sec-fetch-site") == "cross-site"
    answer = come_in(request.scope) if is_sent else RedirectResponse("/", 303)
    answer.set_cookie(here.access.cookie, cookie, max_age=COOKIE_DAYS * 86400, httponly=True, samesite="strict")
    return answer
