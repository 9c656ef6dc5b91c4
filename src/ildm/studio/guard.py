"""Lets every request through the same gate, before anything else looks at it, and sends every answer with the same headers."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ildm.studio.access import SAFE_METHODS, Access, check_content_type
from ildm.studio.limits import Bucket, Limits
from ildm.studio.metrics import Metrics
from ildm.studio.notices import for_stranger
from ildm.studio.refusals import STATUS, Refused, too_large

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/launch", "/favicon.svg"})
"""What a stranger may see, too: that the server lives, and the door."""
_OPEN_FOLDER = "/assets/"
"""The files of the page for people, which are the same for everybody."""
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' blob: data:; connect-src 'self'; "
    "font-src 'self'; worker-src 'self' blob:; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_logger = logging.getLogger("ildm.studio.access")


class Guard:
    """See above. What it lets through carries `visitor` and `nonce` in its state.

    Args:
        limits: of a request's body, and of a user's requests.
    """

    def __init__(self, app: ASGIApp, access: Access, metrics: Metrics, limits: Limits) -> None:
        self._app, self._access, self._metrics, self._limits = app, access, metrics, limits
        self._buckets: dict[str, Bucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one socket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        nonce, began = secrets.token_urlsafe(16), time.perf_counter()
        state: dict[str, Any] = scope.setdefault("state", {})
        state["nonce"] = nonce
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in (*_HEADERS.items(), ("content-security-policy", _CSP.format(nonce=nonce))):
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        try:
            self._check(scope, state)
        except Refused as problem:
            self._metrics.refused(problem.code)
            await _refuse(problem, scope, receive, answer, for_stranger(problem, scope, self._access.port))
        else:
            try:
                most = self._limits.body_bytes(Headers(scope=scope).get("content-type"))
                await self._app(scope, _bounded(receive, most), answer)
            except ClientDisconnect:
                pass  # there is nobody to answer any more
            except Exception as error:
                # an answer that the framework gives outside of this gate would lack the headers
                if scope["type"] != "http" or status:
                    raise
                _logger.error("A request failed: %s %s", scope["method"], scope["path"], exc_info=error)
                problem = Refused("failed", "This cannot be done now: the server's log says why.")
                await _refuse(problem, scope, receive, answer)
        if scope["type"] == "http":
            # the path only: a query may hold a prompt, or a token
            fields = {"method": scope["method"], "path": scope["path"], "status": status}
            _logger.info("request", extra={"fields": fields | {"ms": round(1e3 * (time.perf_counter() - began), 1)}})

    def _count(self, user: str) -> None:
        """Let one more change of a user's through. There are as many buckets as users with a token."""
        now, rate = time.monotonic(), self._limits.requests_per_second
        if not self._buckets.setdefault(user, Bucket(rate, now)).take(now):
            raise Refused("busy", f"More than {rate} changes a second were asked for: slow down.")

    def _check(self, scope: Scope, state: dict[str, Any]) -> None:
        headers, is_socket = Headers(scope=scope), scope["type"] == "websocket"
        self._access.check_host(headers.getlist("host"))
        if not is_socket and (scope["path"] in OPEN_PATHS or scope["path"].startswith(_OPEN_FOLDER)):
            return
        visitor = self._access.visitor(headers.get("authorization"), _cookies(headers))
        state["visitor"] = visitor
        changes = is_socket or scope["method"] not in SAFE_METHODS
        if changes or headers.get("origin") is not None:
            self._access.check_origin(headers.getlist("origin"), by_cookie=visitor.by_cookie)
        elif visitor.by_cookie and headers.get("sec-fetch-site") == "cross-site":
            raise Refused("forbidden", "Only this server's own pages may ask for that.")
        announced, most = headers.get("content-length", ""), self._limits.body_bytes(headers.get("content-type"))
        if announced.isdecimal() and int(announced) > most:
            raise too_large(most)
        if changes and not is_socket and (scope["method"] != "DELETE" or headers.get("content-type") is not None):
            check_content_type(headers.get("content-type"))
        if changes and not is_socket:
            self._count(visitor.user)


async def _refuse(problem: Refused, scope: Scope, receive: Receive, send: Send, notice: Response | None = None) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake; what comes instead of its answer is sent as 403
        await send({"type": "websocket.close", "code": 1008, "reason": problem.text[:100]})
        return
    await (notice or error_response(problem))(scope, receive, send)


def error_response(problem: Refused) -> JSONResponse:
    """A refusal as an answer."""
    body = {"error": {"code": problem.code, "text": problem.text}}
    headers = {401: {"www-authenticate": "Bearer"}, 429: {"retry-after": "5"}, 503: {"retry-after": "2"}}
    status = STATUS[problem.code]
    return JSONResponse(body, status, headers=headers.get(status))


def _cookies(headers: Headers) -> dict[str, str]:
    # the standard library's reader gives up all of them when one is odd, and other servers at this address set theirs, too
    return cookie_parser(headers.get("cookie", ""))


def _bounded(receive: Receive, max_body: int) -> Receive:
    """The same, but no more than so much of a body."""
    read = 0

    async def receive_some() -> Message:
        nonlocal read
        message = await receive()
        if message["type"] == "http.request":
            read += len(message.get("body", b""))
            if read > max_body:
                raise too_large(max_body)
        return message

    return receive_some
