"""`ildm train`: from a recipe to a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name: emoji, layout, semantic-map, images, ...")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override a key, as in stage_two.batch_size=32.")] = None,
    data: Annotated[str | None, typer.Option(help="Name of imported images, in place of the recipe's own data.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the run and its model.", show_default="the recipe's")] = None,
    init_from: Annotated[str | None, typer.Option(help="A model whose weights to start from.")] = None,
    time_limit: Annotated[str | None, typer.Option(help="Stop, saved, after 90s, 15m, 1h30m, ...")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU when there is one")] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved recipe as JSON and do nothing.")] = False,
) -> None:
    """Train a latent diffusion model; the same command goes on after any stop.

    Example: `ildm train emoji --set stage_two.batch_size=32 --time-limit 2h`

    On several GPUs: `torchrun --nproc-per-node 4 -m ildm train emoji`.

    The run lives in ILDM_HOME/runs/NAME: state, samples, metrics, and the model so far.
    """
    import json
    from dataclasses import replace

    from ildm.checkpoint.load import load
    from ildm.checkpoint.native import read_manifest
    from ildm.cli.draw_with_it import draw_with_it
    from ildm.core.config import override, to_json
    from ildm.core.durations import parse_duration
    from ildm.core.files import home
    from ildm.recipes import find_recipe
    from ildm.recipes.images import on_images
    from ildm.training.distributed import joined
    from ildm.training.pipeline import Run
    from ildm.training.recipe import Recipe
    from ildm.training.stopping import Stop

    with joined(device) as (world, place):
        found = find_recipe(recipe)
        resolved = override(found if data is None else on_images(found, data), settings or [], derived=Recipe.DERIVED)
        if name is not None:
            resolved = replace(resolved, name=name)
        told = typer.echo if world.is_first else lambda _: None
        if show:
            told(json.dumps(to_json(resolved), indent=1))
            return
        stop = Stop(None if time_limit is None else parse_duration(time_limit))
        initial = None if init_from is None else load(init_from, device="cpu", dtype="float32")
        folder: Path = home() / "runs" / resolved.name
        with stop.on_signals():
            model = Run(resolved, folder, place, stop, initial, world)()
        if model is None:
            told(f"Stopped before there was a model; the same command goes on. Run folder: {folder}")
        else:
            told(f"The model so far: {model}\nDraw with it: {draw_with_it(resolved.name, read_manifest(model))}")
