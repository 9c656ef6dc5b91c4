"""`ildm models`: what can be loaded by name."""

from __future__ import annotations

from typing import Annotated

import typer


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models known by name: the shipped ones, and those your runs have made.

    Example: `ildm models`
    """
    import json

    from ildm.checkpoint.load import locate
    from ildm.checkpoint.named import known_names
    from ildm.checkpoint.native import read_manifest

    found = [(name, read_manifest(locate(name))) for name in known_names()]
    if as_json:
        typer.echo(json.dumps([{"name": name, "summary": manifest.summary} for name, manifest in found]))
        return
    for name, manifest in found:
        typer.echo(f"{name:24}{manifest.summary}")
    if not found:
        typer.echo("No models yet: train one with `ildm train emoji`.")
