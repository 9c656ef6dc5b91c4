"""The application: its parts put together, and what happens when it starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.websockets import WebSocket

from ildm import __version__
from ildm.session.store import Store
from ildm.studio.access import Access
from ildm.studio.api import following, page, presets, server, sessions, uploads
from ildm.studio.api.context import Context
from ildm.studio.api.description import describe
from ildm.studio.connections import Connections
from ildm.studio.guard import Guard, error_response
from ildm.studio.limits import Limits
from ildm.studio.metrics import Metrics
from ildm.studio.notices import for_stranger
from ildm.studio.page import Page
from ildm.studio.refusals import Code, Refused
from ildm.studio.rooms import Rooms
from ildm.studio.socket import Socket, turn_away
from ildm.studio.uploads import Uploads
from ildm.studio.worker import Worker

SOCKET_PATH = "/api/socket"
_CODES: dict[int, Code] = {404: "not-found", 405: "bad-message", 400: "bad-message", 413: "too-large"}


def create_app(
    worker: Worker,
    store: Store,
    access: Access,
    place_for_uploads: Uploads,
    limits: Limits,
    model: str,
    built: Page | None = None,
) -> FastAPI:
    """The server as an ASGI application.

    Args:
        worker: started and stopped by it.
        store: the one the worker keeps sessions in.
        model: of sessions that name none.
        built: the page for people; None = the one that was built into this package.
    """
    metrics = Metrics()
    rooms = Rooms(worker, store, limits, model, metrics)
    connections = Connections(limits, metrics)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncGenerator[None, None]:
        await worker.start(rooms)
        yield
        app.state.closing.set()
        await worker.stop()

    app = FastAPI(
        title="ildm studio", version=__version__, lifespan=life, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json"
    )
    app.state.context = Context(rooms, store, place_for_uploads, access, metrics, connections, built or Page())
    app.state.closing = asyncio.Event()
    app.state.sockets = set[asyncio.Task[None]]()
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    for router in (page.router, server.router, sessions.router, following.router, uploads.router, presets.router):
        app.include_router(router)

    @app.websocket(SOCKET_PATH)
    async def socket(websocket: WebSocket) -> None:
        user, serving = websocket.state.visitor.user, asyncio.current_task()
        assert serving is not None
        app.state.sockets.add(serving)
        try:
            with connections.of(user):
                await Socket(websocket, rooms, user, app.state.closing).serve()
        except Refused as problem:
            metrics.refused(problem.code)
            await turn_away(websocket, problem)
        finally:
            app.state.sockets.discard(serving)

    @app.exception_handler(Refused)
    async def refused(request: Request, problem: Refused) -> Response:
        metrics.refused(problem.code)
        return for_stranger(problem, request.scope, access.port) or error_response(problem)

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        del request
        problem = error.errors()[0]
        if problem["type"] == "json_invalid":
            what, place = str(problem["ctx"]["error"]), problem["loc"][-1]
            return error_response(Refused("bad-message", f"The body is no JSON: {what[:200]} at character {place}."))
        where = ".".join(str(part) for part in problem["loc"])
        return error_response(Refused("bad-value", f"{where[:200]} cannot be taken: {str(problem['msg'])[:300]}."))

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, Refused):  # while a body was read
            return await refused(request, error.__cause__)
        code = _CODES.get(error.status_code, "failed")
        answer = error_response(Refused(code, f"{request.method} {request.url.path[:100]}: {error.detail}."))
        answer.status_code = error.status_code
        answer.headers.update(error.headers or {})
        return answer

    app.add_middleware(Guard, access=access, metrics=metrics, limits=limits)
    return app
