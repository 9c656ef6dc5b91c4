"""`ildm info`: what a model or one of our pictures says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.cli.options import Prediction, check_prediction


def info(
    model: Annotated[str, typer.Argument(help="A shipped name, a run's name, a model folder or file, or a PNG made by ildm.")],
    prediction: Prediction = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole manifest as JSON.")] = False,
) -> None:
    """Show a model's manifest, or the call that made a picture.

    Example: `ildm info emoji-scenes --json`
    """
    import json
    import shutil
    import textwrap

    from ildm.checkpoint.load import describe, locate
    from ildm.cli.pictures import read_call
    from ildm.core.errors import DataError

    path = locate(model)
    if path.suffix.lower() == ".png":
        call = read_call(Path(path))
        if call is None:
            raise DataError(f"{path} was not made by ildm: it carries no call. A picture of `ildm generate` does.")
        typer.echo(json.dumps(call, indent=None if as_json else 1, ensure_ascii=False))
        return
    manifest = describe(model, prediction=check_prediction(prediction))
    if as_json:
        typer.echo(manifest.model_dump_json(indent=1))
        return
    width, height = manifest.image_size
    space, defaults = manifest.latent_space, manifest.defaults
    lines = {
        "name": manifest.name,
        "summary": manifest.summary,
        "size": f"{width}x{height} px, latents {space.channels}x{height // space.stride}x{width // space.stride}",
        "method": f"{manifest.path['kind']} path, {manifest.prediction} prediction",
        "defaults": f"{defaults.sampler}, {defaults.num_steps} steps, guidance {defaults.guidance_scale:g}",
        "concepts": f"{len(manifest.concepts)}: {', '.join(manifest.concepts)}" if manifest.concepts else "",
        "licence": manifest.licence,
        "attribution": manifest.attribution,
    }
    wrapper = textwrap.TextWrapper(
        width=min(shutil.get_terminal_size().columns, 128),
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )
    for name, value in lines.items():
        if value:
            typer.echo(wrapper.fill(f"{name:12}{value}"))
    typer.echo(f"{'folder' if path.is_dir() else 'file':12}{path}")  # in one line, so that it can be copied
