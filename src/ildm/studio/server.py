"""Runs the server: from a configuration to a listening socket, and from a signal to an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn
from fastapi import FastAPI

from ildm.core.errors import ConfigError
from ildm.session.store import Store, default_path
from ildm.studio.access import Access
from ildm.studio.app import create_app
from ildm.studio.config import StudioConfig, own_secret, tokens_of
from ildm.studio.process import ProcessWorker
from ildm.studio.sole import sole_studio
from ildm.studio.uploads import Uploads

_PARTING = 1.5  # seconds for the sockets to say why they end
FAREWELL = 2
"""Seconds that requests have to end in when the server is stopped; then they are cut off."""


@dataclass(frozen=True)
class Address:
    """Where a server listens, and how its person gets in.

    Args:
        url: of the server.
        launch: opens it in a browser, once.
        another: the same for another browser.
        token_file: where the person's own programs find their token; None when tokens were given.
    """

    url: str
    launch: str
    another: str
    token_file: str | None


def serve(config: StudioConfig, tell: Callable[[Address], None]) -> None:
    """Serve until a signal ends it.

    Args:
        tell: told where it listens, before it is ready.

    Raises:
        ConfigError: when the address cannot be had, or another studio serves the same sessions.
        StorageError: when its folder or the store cannot be used.
    """
    with contextlib.ExitStack() as stack:
        # what is kept, here and by the engine, is for the person's own eyes, however many use this machine
        stack.callback(os.umask, os.umask(0o077))
        listening = stack.enter_context(contextlib.closing(_listen(config.host, config.port)))
        port = listening.getsockname()[1]
        place = config.place
        access = Access(
            hosts=config.hosts(port),
            origins=config.origins(port),
            tokens=tokens_of(config),
            secret=own_secret(place),
            port=port,
        )
        store = stack.enter_context(Store(config.store or default_path()))
        # an engine that outlives its server, to keep what it has in hand, holds the file as long
        held = [stack.enter_context(sole_studio(store.path))]
        worker = ProcessWorker(store.path, config.model, device=config.device, dtype=config.dtype, held=held)
        uploads = Uploads(place / "uploads", config.limits)
        app = create_app(worker, store, access, uploads, config.limits, config.model)
        url = config.url(port)
        token_file = None if config.tokens else str(place / "token")
        launch, another = (f"{url}/launch?token={access.new_launch()}" for _ in range(2))
        tell(Address(url, launch, another, token_file))
        StudioServer(_settings(app, config), app).run(sockets=[listening])


class StudioServer(uvicorn.Server):
    """Ends what goes on for ever as soon as it is asked to end, and ends at once when it is asked twice."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        del frame
        if self.should_exit:
            os._exit(128 + sig)
        self._captured_signals.append(sig)
        self.should_exit = True
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_soon_threadsafe(self._app.state.closing.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let every socket say why before uvicorn closes them all."""
        self._app.state.closing.set()
        if parting := set(self._app.state.sockets):
            await asyncio.wait(parting, timeout=_PARTING)
        await super().shutdown(sockets)


def _settings(app: FastAPI, config: StudioConfig) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="websockets-sansio",
        ws_max_size=config.limits.message_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        http="h11",
        h11_max_incomplete_event_size=32 * 1024,
        timeout_graceful_shutdown=FAREWELL,
        timeout_keep_alive=30,
        limit_concurrency=config.limits.connections * 2,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )


def _listen(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    # asyncio sends without delay only where the protocol is named; otherwise a picture waits 40 ms for an acknowledgement
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((bare, port))
        listening.listen(128)  # whoever has been told the address finds somebody there, and waits
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"Port {port} is in use, perhaps by another studio, whose address `ildm studio --link` tells: give another one with "
                "--port, or 0 for any that is free."
            ) from error
        raise ConfigError(f"{host}:{port} cannot be listened on ({error.strerror}): give another --host or --port.") from error
    except OverflowError as error:
        listening.close()
        raise ConfigError(f"A port is a number from 0 to 65535, but {port} was given.") from error
    return listening
