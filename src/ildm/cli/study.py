"""`ildm study`: the paper's studies, at the scale of your machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from ildm.cli.options import MAX_GUIDANCE, Device, DType
from ildm.cli.sitting import Sitting, carry_out, folder_of, show_config

if TYPE_CHECKING:
    from ildm.study.sampling.report import SamplingReport

app = typer.Typer(
    help="The paper's studies, at the scale of your machine.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)


@app.callback()
def studies() -> None:
    """The paper's studies, at the scale of your machine."""


@app.command()
def compression(
    factor: Annotated[
        list[int] | None,
        typer.Option(help="1, 2, 4, 8, 16 or 32: compare only this f; give it again for more.", show_default="all"),
    ] = None,
    bottleneck: Annotated[
        list[str] | None, typer.Option(help="kl or vq: compare only this bottleneck.", show_default="both")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the images: 64, 128 or 256.", show_default="64")] = None,
    steps: Annotated[
        int | None, typer.Option(min=2, max=10_000_000, help="Of every denoiser's training.", show_default="4000")
    ] = None,
    stage_one_steps: Annotated[
        int | None, typer.Option(min=1, max=10_000_000, help="Of every autoencoder's training.", show_default="2000")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Spend no more than 2h, 45m, ... in all: fewer steps for all arms alike.")
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Override a key, as in judging.num_images=1000.")] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Every part within seconds, without any download; its figures say nothing.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the study's folder.", show_default="compression")] = None,
    device: Device = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved configuration as JSON and do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare compression factors: f from 1, which is pixel diffusion, to 32, with KL and VQ first stages.

    Example: `ildm study compression --factor 4 --factor 8 --factor 32 --bottleneck kl --budget 2h`

    Everything lives in ILDM_HOME/studies/NAME; the same command goes on after any stop. The report, its plots and what the budget
    cut are written at the end and whenever it is stopped.
    """
    from ildm.core.config import override
    from ildm.core.device import pick_device
    from ildm.core.durations import parse_duration
    from ildm.study.compression import config as configured
    from ildm.study.compression.study import Study, claim
    from ildm.study.compression.writing import write_report

    given = {
        "factors": ",".join(map(str, factor)) if factor else None,
        "bottlenecks": ",".join(bottleneck) if bottleneck else None,
        "data.size": size,
        "stage_two.loop.steps": steps,
        "stage_one.loop.steps": stage_one_steps,
    }
    chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = override(configured.tiny() if tiny else configured.default(), chosen + (settings or []))
    seconds = None if budget is None else parse_duration(budget)
    folder = folder_of(name or ("compression-tiny" if tiny else "compression"))
    if show:
        show_config(config)
        return
    target = pick_device(device)

    def study(sitting: Sitting) -> Study:
        plan = claim(folder, config, seconds, target)
        return Study(plan, folder, target, sitting.stop, sitting.say, sitting.spent)

    carry_out(folder, seconds, study, write_report, as_json=as_json)


@app.command()
def conditioning(
    steps: Annotated[int | None, typer.Option(min=1, max=10_000_000, help="Of every training.", show_default="1200")] = None,
    seeds: Annotated[int | None, typer.Option(min=2, max=10, help="Trainings by each route.", show_default="3")] = None,
    budget: Annotated[str | None, typer.Option(help="Stop after 2h, 45m, ... in all; what was not measured is said.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Override a key, as in recipe.stage_two.batch_size=32.")
    ] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Every part within seconds, without any download; its figures say nothing.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the study's folder.", show_default="conditioning")] = None,
    device: Device = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved configuration as JSON and do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare routes for semantic maps: beside the latent, or read by cross-attention; trained alike from several seeds.

    Example: `ildm study conditioning --steps 600 --budget 2h`

    Everything lives in ILDM_HOME/studies/NAME; the same command goes on after any stop. All trainings advance together, so that one
    that is stopped is compared as far as all came.
    """
    from ildm.core.config import override
    from ildm.core.device import pick_device
    from ildm.core.durations import parse_duration
    from ildm.study.conditioning import config as configured
    from ildm.study.conditioning.study import Study
    from ildm.study.conditioning.writing import write_report
    from ildm.study.keeping import claim

    given = {"recipe.stage_two.loop.steps": steps, "seeds": seeds}
    chosen = [f"{key}={value}" for key, value in given.items() if value is not None]
    config = override(configured.tiny() if tiny else configured.default(), chosen + (settings or []))
    seconds = None if budget is None else parse_duration(budget)
    folder = folder_of(name or ("conditioning-tiny" if tiny else "conditioning"))
    if show:
        show_config(config)
        return
    target = pick_device(device)

    def study(sitting: Sitting) -> Study:
        claim(folder, config)
        return Study(config, folder, target, sitting.stop, sitting.say, sitting.spent)

    carry_out(folder, seconds, study, write_report, as_json=as_json)


@app.command()
def sampling(
    model: Annotated[str, typer.Argument(help="A shipped name, a run's name or a model folder.")],
    guidance_scale: Annotated[
        list[float] | None,
        typer.Option(
            min=0.0, max=MAX_GUIDANCE, help="A guidance to judge; give it again for more.", show_default="1, 2, 3, 5, 7"
        ),
    ] = None,
    num_steps: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=1000, help="A number of steps to judge; give it again for more.", show_default="10, 15, 25, 50"
        ),
    ] = None,
    sampler: Annotated[
        list[str] | None,
        typer.Option(help="A sampler to judge beside the model's; give it again for more.", show_default="none"),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=10, max=1_000_000, help="Scenes at each setting, for distances.", show_default="384")
    ] = None,
    probes: Annotated[
        int | None,
        typer.Option(min=2, max=1_000_000, help="Scenes with one and with two objects, for accuracies.", show_default="384"),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="Only this metric; give it again for more.", show_default="all that drawings decide"),
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Stop after 2h, 45m, ... in all; what was not judged is said.")] = None,
    tiny: Annotated[
        bool, typer.Option("--tiny", help="Every part within seconds, without any download; its figures say nothing.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the study's folder.", show_default="sampling-MODEL")] = None,
    device: Device = None,
    dtype: DType = None,
    show: Annotated[bool, typer.Option("--show", help="Print the resolved configuration as JSON and do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Judge a model at other guidance, other steps and other samplers: what does each setting cost, and what is it worth?

    Example: `ildm study sampling emoji-scenes --sampler heun --sampler ddim --budget 2h`

    One thing at a time is changed from the model's own defaults. Everything lives in ILDM_HOME/studies/NAME; the same command goes on
    after any stop.
    """
    import re
    from dataclasses import replace

    from ildm.checkpoint.load import load
    from ildm.core.durations import parse_duration
    from ildm.core.progress import named_bars
    from ildm.evaluation.evaluate import check_metrics
    from ildm.study.keeping import claim
    from ildm.study.sampling import config as configured
    from ildm.study.sampling.study import Study, metrics_of_drawings
    from ildm.study.sampling.writing import write_report

    check_metrics(metric)
    loaded = load(model, device=device, dtype=dtype)
    if guidance_scale:
        configured.check_guided(loaded)
    given = {
        "guidance_scales": None if guidance_scale is None else tuple(guidance_scale),
        "num_steps": None if num_steps is None else tuple(num_steps),
        "samplers": None if sampler is None else tuple(sampler),
        "num_images": count,
        "num_probes": probes,
        "metrics": None if metric is None else tuple(metric),
    }
    config = configured.default(loaded, metrics_of_drawings())
    config = configured.tiny(config) if tiny else config
    config = replace(config, **{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]
    seconds = None if budget is None else parse_duration(budget)
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", config.model)
    folder = folder_of(name or f"sampling-{plain}" + ("-tiny" if tiny else ""))
    if show:
        show_config(config)
        return

    def study(sitting: Sitting) -> Callable[[], SamplingReport]:
        claim(folder, config)

        def judge() -> SamplingReport:
            # the bars are gone before the page is told
            with named_bars() as progress:
                return Study(config, loaded, folder, sitting.stop, sitting.say, sitting.spent, progress)()

        return judge

    carry_out(folder, seconds, study, write_report, as_json=as_json)
