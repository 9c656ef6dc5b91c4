"""`ildm evaluate`: how good a model is, in figures that can be measured again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ildm.evaluation.sets import Progress


def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped name, a run's name, a model folder or a checkpoint file.")],
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="train, unseen_scene, unseen_pair, unseen_concept_pair or unseen_style; give it again for more.",
            show_default="all",
        ),
    ] = None,
    count: Annotated[int, typer.Option(help="Scenes of each split, for distances and reconstruction.")] = 512,
    probes: Annotated[int, typer.Option(help="Scenes with one and with two objects, for accuracies.")] = 384,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this metric; give it again for more.", show_default="all")
    ] = None,
    num_steps: Annotated[int | None, typer.Option(help="Denoising steps.", show_default="the model's")] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="How strongly to follow the words.", show_default="the model's")
    ] = None,
    sampler: Annotated[str | None, typer.Option(help="ddim, euler, heun, dpmpp-2m, ...", show_default="the model's")] = None,
    seed: Annotated[int, typer.Option(help="Of the first image of every set; each further one adds 1.")] = 0,
    batch_size: Annotated[int, typer.Option(help="Images drawn at once.")] = 16,
    sprites: Annotated[
        str, typer.Option(help="cache (built by ildm data emoji), or sample: 24 sprites inside the package, for a quick try.")
    ] = "cache",
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", show_default="evaluation-MODEL")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU when there is one")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.", show_default="the device's default")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure a model and write a report.

    Example: `ildm evaluate emoji-scenes --split unseen_scene --count 2000`

    The first split given also lends the scenes with one and with two objects.
    """
    import json

    from ildm.checkpoint.load import load
    from ildm.core.config import from_json
    from ildm.evaluation.evaluate import evaluate as measure
    from ildm.evaluation.sets import EvaluationConfig

    drawing = {
        "num_steps": num_steps,
        "guidance_scale": guidance_scale,
        "sampler": sampler,
        "seed": seed,
        "batch_size": batch_size,
    }
    given = {
        "splits": split,
        "num_images": count,
        "num_probes": probes,
        "metrics": metric,
        "drawing": drawing,
        "sprites": sprites,
    }
    config = from_json(EvaluationConfig, {key: value for key, value in given.items() if value is not None}, where="evaluate")
    loaded = load(model, device=device, dtype=dtype)
    with _bar() as progress:
        report = measure(loaded, config, progress=progress)
    paths = report.save(out or Path(f"evaluation-{loaded.manifest.name}"))
    if as_json:
        typer.echo(json.dumps(report.to_json() | {"written": [str(path) for path in paths]}, ensure_ascii=False))
        return
    typer.echo(report.to_markdown())
    for path in paths:
        typer.echo(str(path))


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # on the error stream, so that --json stays readable for programs
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show
