"""`ildm train`: from a recipe to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name: emoji, emoji-tiny, images.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override a key, as in stage_two.batch_size=32.")] = None,
    data: Annotated[str | None, typer.Option(help="Name of imported images, for the recipe images.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the run and its model.", show_default="the recipe's")] = None,
    init_from: Annotated[str | None, typer.Option(help="A model whose weights to start from.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Stop, saved, after 90s, 15m, 1h30m, ...")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU when there is one")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe as JSON and do nothing.")] = False,
) -> None:
    """Train a latent diffusion model; the same command goes on after any stop.

    Example: `ildm train emoji --set stage_two.batch_size=32 --time-limit 2h`

    The run lives in ILDM_HOME/runs/NAME: state, samples, metrics, and the model so far.
    """
    import json
    from dataclasses import replace

    from ildm.checkpoint.load import load
    from ildm.core.config import override, to_json
    from ildm.core.device import pick_device
    from ildm.core.durations import parse_duration
    from ildm.core.files import home
    from ildm.recipes import find_recipe
    from ildm.training.pipeline import Run
    from ildm.training.recipe import Recipe
    from ildm.training.stopping import Stop

    chosen = [] if data is None else [f"data.name={data}"]
    resolved = override(find_recipe(recipe), chosen + (settings or []), derived=Recipe.DERIVED)
    if name is not None:
        resolved = replace(resolved, name=name)
    if show:
        typer.echo(json.dumps(to_json(resolved), indent=1))
        return
    stop = Stop(None if time_limit is None else parse_duration(time_limit))
    initial = None if init_from is None else load(init_from, device="cpu", dtype="float32")
    folder: Path = home() / "runs" / resolved.name
    with stop.on_signals():
        model = Run(resolved, folder, pick_device(device), stop, initial)()
    if model is None:
        typer.echo(f"Stopped before there was a model; the same command goes on. Run folder: {folder}")
    else:
        typer.echo(f'The model so far: {model}\nDraw with it: ildm generate "..." --model {resolved.name}')
