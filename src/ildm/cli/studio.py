"""`ildm studio`: live sessions for browsers and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.cli.options import Device


def studio(
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser, and log all that happens.")] = False,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any other than this machine's own needs --tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 = any that is free.")] = 7877,
    model: Annotated[str, typer.Option(help="A model known by name: `ildm models` lists them.")] = "emoji-scenes",
    device: Device = None,
    store: Annotated[Path | None, typer.Option(help="File of the sessions.", show_default="your own")] = None,
    tokens: Annotated[
        Path | None, typer.Option(help='JSON file of programs\' tokens by user; "" is yourself.', show_default="your own token")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name and port that the server is reached by; may be repeated.")
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(help="Where a proxy serves its pages, such as https://studio.example.org; may be repeated."),
    ] = None,
    sessions: Annotated[int, typer.Option(min=1, max=1000, help="Sessions that make steps at once; others wait.")] = 8,
    log_prompts: Annotated[bool, typer.Option("--log-prompts", help="Let the log name what people ask for.")] = False,
    link: Annotated[
        bool, typer.Option("--link", help="Print a new address of the studio that runs at this port, and end.")
    ] = False,
) -> None:
    """Serve live sessions to browsers and programs, until Ctrl-C.

    Example: `ildm studio`

    It listens on this machine alone, and opens your browser. The address it prints opens the studio in another one, once; programs find
    their token in ILDM_HOME/studio/token. What goes wrong is said on the standard error, one JSON object a line; with --headless,
    all that happens.
    """
    import logging

    from ildm.checkpoint.named import known_names
    from ildm.core.errors import CheckpointError, nearest
    from ildm.studio import browser, logs
    from ildm.studio.config import StudioConfig, is_loopback, read_tokens
    from ildm.studio.limits import Limits
    from ildm.studio.server import Address, serve

    if link:
        _print_link(host, port, tokens)
        return
    if model not in known_names():
        raise CheckpointError(f"There is no model {model!r}: {nearest(model, known_names())}")
    config = StudioConfig(
        host=host,
        port=port,
        model=model,
        device=device,
        store=store,
        tokens=read_tokens(tokens) if tokens else {},
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        limits=Limits(running=sessions, open=max(sessions, Limits().open)),
        log_prompts=log_prompts,
    )
    logs.configure(log_prompts=log_prompts, level=logging.INFO if headless or log_prompts else logging.WARNING)
    opens = not headless and is_loopback(host) and browser.can_open()

    def tell(address: Address) -> None:
        typer.echo(f"The studio is at {address.url}. This opens it, once: {address.launch}")
        if address.token_file is not None:
            typer.echo(f"Programs find their token in {address.token_file}.")
        if opens:
            typer.echo("Your browser opens it now.")
            browser.open_soon(address.url, address.another)
        if not headless:
            typer.echo("Ctrl-C ends it; what runs goes on at the next start.")

    serve(config, tell)


def _print_link(host: str, port: int, tokens: Path | None) -> None:
    """Ask the running studio for a new way in."""
    import json
    import urllib.request

    from ildm.core.errors import ConfigError, DataError
    from ildm.studio.access import OWNER
    from ildm.studio.browser import answer_of
    from ildm.studio.config import StudioConfig, own_token, read_tokens

    token = read_tokens(tokens).get(OWNER) if tokens else own_token(StudioConfig().place)
    if token is None:
        raise DataError(f'{tokens} holds no token of yours: expected one for "".')
    url = f"http://{host}:{port}"
    request = urllib.request.Request(
        f"{url}/api/launch",
        b"{}",
        {"authorization": f"Bearer {token}", "content-type": "application/json"},
        method="POST",
    )
    try:
        path = json.loads(answer_of(request))["path"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"No studio of yours answers at {url} ({error}): start one, or give its --port.") from error
    typer.echo(f"{url}{path}")
