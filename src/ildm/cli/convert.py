"""`ildm convert`: a model from one format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.cli.options import Prediction, check_choice, check_prediction

_FORMATS = ("native", "diffusers", "single-file")
_DTYPES = ("float32", "bfloat16", "float16")


def convert(
    source: Annotated[str, typer.Argument(help="A shipped name, a run's name, a model folder or a .safetensors file.")],
    target: Annotated[Path, typer.Argument(help="The folder to write, or the .safetensors file for single-file.")],
    target_format: Annotated[str, typer.Option("--format", help="native, diffusers or single-file.")],
    dtype: Annotated[
        str | None, typer.Option(help="Of the stored weights: float32, bfloat16 or float16.", show_default="as they are")
    ] = None,
    prediction: Prediction = None,
    replace: Annotated[bool, typer.Option("--replace", help="In the place of the model that is there.")] = False,
) -> None:
    """Write a model in another format, for this program or for others.

    Example: `ildm convert sd.safetensors my-model --format native --dtype float16`
    """
    from ildm.checkpoint.convert import convert as convert_model

    check_choice("--format", target_format, _FORMATS)
    if dtype is not None:
        check_choice("--dtype", dtype, _DTYPES)
    said = check_prediction(prediction)
    notes = convert_model(source, target, target_format, dtype=dtype, prediction=said, replace=replace)  # type: ignore[arg-type]
    for note in notes:
        typer.echo(f"ildm: {note}", err=True)
    typer.echo(target)
