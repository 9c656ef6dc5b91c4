"""`ildm models`: what can be loaded by name; `ildm models fit-preview`: how a run of one is shown as it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ildm.cli.options import MAX_COUNT, Device, Prediction, check_choice, check_prediction

if TYPE_CHECKING:
    from typer import Context
else:
    Context = typer.Context.__mro__[1]  # what a group is handed really is of the base, which has no public name

app = typer.Typer(invoke_without_command=True, rich_markup_mode="markdown")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_KINDS = ("tiny", "linear")
_STEPS, _MOST_STEPS = 2000, 1_000_000


@app.callback()
def models(context: Context, as_json: AsJson = False) -> None:
    """List the models known by name: the shipped ones, those in ILDM_HOME/models, and those your runs have made.

    Example: `ildm models`
    """
    import json

    from ildm.checkpoint.load import describe
    from ildm.checkpoint.named import known_names
    from ildm.core.errors import IldmError

    if context.invoked_subcommand is not None:
        return
    found: list[dict[str, Any]] = []
    for name in known_names():
        try:
            found.append({"name": name, "summary": describe(name).summary})
        except IldmError as error:
            found.append({"name": name, "problem": str(error)})
    if as_json:
        typer.echo(json.dumps(found))
        return
    for entry in found:
        said = entry["summary"] if "summary" in entry else f"damaged: {entry['problem']}"
        typer.echo(f"{entry['name']:23} {said}".rstrip())
    if not found:
        typer.echo("No models yet: train one with `ildm train emoji`.")


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="By which the model is found from now on.")],
    source: Annotated[Path, typer.Option("--from", help="A model's folder, a .zip archive of one, or a .safetensors file.")],
    replace: Annotated[bool, typer.Option("--replace", help="In the place of one of that name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Install a model from a folder or file that you have: every weight is checked, then it is copied into ILDM_HOME/models.

    Example: `ildm models get layout --from ~/Downloads/ildm-layout.zip`
    """
    import json

    from ildm.checkpoint.installing import install
    from ildm.checkpoint.named import find_named
    from ildm.cli.draw_with_it import draw_with_it

    manifest = install(name, source, replace=replace)
    if as_json:
        typer.echo(json.dumps({"name": name, "folder": str(find_named(name)), "summary": manifest.summary}))
        return
    typer.echo(f"{name}: {manifest.summary or 'installed.'}\nDraw with it: {draw_with_it(name, manifest)}")


@app.command()
def fit_preview(
    model: Annotated[str, typer.Argument(help="A shipped name, a run's name, a model folder or a .safetensors file.")],
    kind: Annotated[str, typer.Option(help="tiny, a small network, or linear, quicker to make and coarser.")] = "tiny",
    steps: Annotated[int, typer.Option(min=1, max=_MOST_STEPS, help="Updates of the small network.")] = _STEPS,
    images: Annotated[
        int | None,
        typer.Option(min=2, max=MAX_COUNT, help=f"How many to learn from, {MAX_COUNT} at most.", show_default="by their size"),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="A folder of images to learn from.", show_default="the model's own data, or what it draws"),
    ] = None,
    prediction: Prediction = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Fit the small pictures that show a run as it goes to what a model's own decoder makes.

    Example: `ildm models fit-preview my-model`

    The preview is written into the model's folder, for shipped models and other programs' files into ILDM_HOME/previews. It belongs to
    the autoencoder: models with the same one share it.
    """
    import json

    from ildm.checkpoint.load import load
    from ildm.core.files import check_writable
    from ildm.core.progress import named_bars
    from ildm.session.previews import files
    from ildm.session.previews import fit as fitting
    from ildm.session.previews import samples as sampling

    check_choice("--kind", kind, _KINDS)
    loaded = load(model, device=device, prediction=check_prediction(prediction))
    place = files.place_for(loaded, model)
    check_writable(place)
    with named_bars() as tell:
        count = sampling.usual_count(loaded) if images is None else images
        samples = sampling.gather(loaded, count, folder=folder, progress=tell)
        fit = fitting.fit_preview(
            samples,
            loaded.autoencoder.config.stride,
            kind=kind,  # type: ignore[arg-type]
            steps=steps,
            progress=lambda done, total: tell("distilling", done, total),
        )
    files.write_preview(fit.preview, loaded, place)
    measures = {name: value for name, value in vars(fit).items() if name != "preview"}
    result = {"preview": str(place), "kind": kind, "origin": samples.origin, **measures}
    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    beside = f"a linear one {fit.linear_psnr:.1f} dB, " if kind == "tiny" else ""
    typer.echo(
        f"Fitted to {fit.fitted_to} latents of {samples.origin}: {fit.psnr:.1f} dB beside the full decoder "
        f"({beside}R² {fit.r_squared:.3f}), {fit.milliseconds:.2f} ms a preview. File: {place}"
    )
