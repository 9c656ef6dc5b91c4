"""`ildm studio`: live sessions for browsers and programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.cli.options import Device


def studio(
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser (there is no page to open yet).")] = False,
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

    Example: `ildm studio --headless --port 7877`

    It listens on this machine alone. The address it prints opens the studio once; programs find their token in ILDM_HOME/studio/token.
    The log goes to the standard error, one JSON object a line.
    """
    from ildm.checkpoint.named import known_names
    from ildm.core.errors import CheckpointError, nearest
    from ildm.studio import logs
    from ildm.studio.config import StudioConfig, read_tokens
    from ildm.studio.limits import Limits
    from ildm.studio.server import Address, serve

    del headless
    if link:
        _print_link(host, port)
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
    logs.configure(log_prompts=log_prompts)

    def tell(address: Address) -> None:
        typer.echo(f"The studio is at {address.url}. This opens it, once: {address.launch}")
        if address.token_file is not None:
            typer.echo(f"Programs find their token in {address.token_file}.")

    serve(config, tell)


def _print_link(host: str, port: int) -> None:
    """Ask the running studio for a new way in."""
    import json
    import urllib.error
    import urllib.request

    from ildm.core.errors import ConfigError
    from ildm.studio.config import StudioConfig, own_token

    url = f"http://{host}:{port}"
    request = urllib.request.Request(
        f"{url}/api/launch",
        b"{}",
        {"authorization": f"Bearer {own_token(StudioConfig().place)}", "content-type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=5.0) as answer:
            path = json.load(answer)["path"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"No studio of yours answers at {url} ({error}): start one, or give its --port.") from error
    typer.echo(f"{url}{path}")
