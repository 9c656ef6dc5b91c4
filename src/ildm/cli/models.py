"""`ildm models`: what can be loaded by name."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def models(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List the models known by name: the shipped ones, and those your runs have made.

    Example: `ildm models`
    """
    import json

    from ildm.checkpoint.load import locate
    from ildm.checkpoint.named import known_names
    from ildm.checkpoint.native import read_manifest
    from ildm.core.errors import CheckpointError

    found: list[dict[str, Any]] = []
    for name in known_names():
        try:
            found.append({"name": name, "summary": read_manifest(locate(name)).summary})
        except CheckpointError as error:
            found.append({"name": name, "problem": str(error)})
    if as_json:
        typer.echo(json.dumps(found))
        return
    for entry in found:
        said = entry["summary"] if "summary" in entry else f"damaged: {entry['problem']}"
        typer.echo(f"{entry['name']:23} {said}".rstrip())
    if not found:
        typer.echo("No models yet: train one with `ildm train emoji`.")
