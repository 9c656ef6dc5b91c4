"""`ildm evaluate`: how good a model is, in figures that can be measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.cli.options import Device, DType, GuidanceScale, NumSteps, check_choice


def evaluate(
    model: Annotated[str, typer.Argument(help="A shipped name, a run's name or a model folder.")],
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="train, unseen_scene, unseen_pair, unseen_concept_pair or unseen_style; give it again for more.",
            show_default="all",
        ),
    ] = None,
    count: Annotated[
        int, typer.Option(min=10, max=1_000_000, help="Scenes of each split, for distances and reconstruction.")
    ] = 512,
    probes: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Scenes with one and with two objects, for accuracies.")
    ] = 384,
    metric: Annotated[
        list[str] | None, typer.Option(help="Only this metric; give it again for more.", show_default="all")
    ] = None,
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    sampler: Annotated[
        str | None, typer.Option(help="dpmpp-2m, unipc, heun, ddim, euler-ancestral, ...", show_default="the model's")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the first image of every set; each further one adds 1.")] = 0,
    seeds: Annotated[
        int, typer.Option(min=1, max=10, help="Draw every set so many times, and say how far figures are luck.")
    ] = 1,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Images drawn at once.")] = 16,
    sprites: Annotated[
        str, typer.Option(help="cache (built by ildm data emoji), or sample: 24 sprites inside the package, for a quick try.")
    ] = "cache",
    inception: Annotated[
        Path | None,
        typer.Option(help="The published weights of Inception-v3, for FID and IS.", show_default="in torch's cache"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", show_default="evaluation-MODEL")] = None,
    device: Device = None,
    dtype: DType = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Measure a model and write a report.

    Example: `ildm evaluate emoji-scenes --split unseen_scene --count 2000`

    The first split given also lends the scenes with one and with two objects. What was measured is kept in the folder all along, also when
    you stop it.
    """
    import json

    from ildm.checkpoint.load import load
    from ildm.core.errors import IldmError
    from ildm.core.files import check_writable
    from ildm.core.progress import named_bars
    from ildm.core.seeds import check_seed
    from ildm.data.splits import SPLITS
    from ildm.evaluation.drawing import Drawing
    from ildm.evaluation.evaluate import check_metrics
    from ildm.evaluation.evaluate import evaluate as measure
    from ildm.evaluation.report import Report
    from ildm.evaluation.sets import EvaluationConfig

    for name in split or ():
        check_choice("--split", name, SPLITS)
    check_choice("--sprites", sprites, ("cache", "sample"))
    check_metrics(metric)
    config = EvaluationConfig(
        splits=None if split is None else tuple(split),  # type: ignore[arg-type]
        num_images=count,
        num_probes=probes,
        metrics=None if metric is None else tuple(metric),
        drawing=Drawing(
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            seed=check_seed(seed),
            batch_size=batch_size,
        ),
        num_seeds=seeds,
        sprites=sprites,  # type: ignore[arg-type]
        inception=None if inception is None else str(inception),
    )
    loaded = load(model, device=device, dtype=dtype)
    folder = out or Path(f"evaluation-{loaded.manifest.name}")
    check_writable(folder, folder=True)
    kept: list[Path] = []

    def keep(report: Report) -> None:
        kept[:] = report.save(folder)

    try:
        with named_bars() as progress:
            report = measure(loaded, config, progress=progress, keep=keep)
    except (KeyboardInterrupt, IldmError, OSError):
        if kept:
            typer.echo(f"What was measured until now is in {folder}.", err=True)
        raise
    paths = report.save(folder)
    if as_json:
        typer.echo(json.dumps(report.to_json() | {"written": [str(path) for path in paths]}, ensure_ascii=False))
        return
    typer.echo(report.to_markdown())
    for path in paths:
        typer.echo(str(path))
