"""`ildm replay`: a steered run made again from its log."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.cli.options import Device, DType, Prediction, UNet, Vae, check_prediction


def replay(
    file: Annotated[Path, typer.Argument(help="A session's .ildm file, or a PNG that carries one.", show_default=False)],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare with what was recorded; exit code 2 where it differs without a reason.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Where to save the picture; it carries the session again.")] = None,
    model: Annotated[str | None, typer.Option(help="To draw with.", show_default="the one the session names")] = None,
    lora: Annotated[
        list[str] | None,
        typer.Option(help="A LoRA file that it was drawn with, FILE or FILE=STRENGTH; may be repeated.", show_default=False),
    ] = None,
    prediction: Prediction = None,
    vae: Vae = None,
    unet: UNet = None,
    device: Device = None,
    dtype: DType = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Make a steered run again from its event log alone, whatever was kept beside it.

    Example: `ildm replay lion.png --verify`

    On the machine it was made on (the same device, number format, threads and torch) every finished branch comes out bit for bit
    as it was. Elsewhere the largest difference is told instead.
    """
    import json
    from dataclasses import asdict

    from ildm.checkpoint.load import load
    from ildm.cli.adapters import put_in
    from ildm.core.errors import ConfigError, ProtocolError
    from ildm.core.files import check_writable
    from ildm.core.progress import steps_bar
    from ildm.session.files import open_session_file, save_picture
    from ildm.session.replay import replay as make_again

    if out is not None:
        check_writable(out)
    with open_session_file(file) as session:
        source = model or session.opened.model
        loaded = load(source, device=device, dtype=dtype, prediction=check_prediction(prediction), unet=unet, vae=vae)
        put_in(loaded, lora or (), session.adapters)
        with steps_bar("replaying") as progress:
            replayed = make_again(loaded, session.events, recorded=session.latent, given=session.stored.blob, progress=progress)
    if out is not None:
        save_picture(replayed.cursors[min(replayed.cursors)], out)
    if as_json:
        fields = {"exact": replayed.exact, "same_shape": replayed.same_shape, "same_model": replayed.same_model}
        typer.echo(json.dumps(fields | {"outcomes": [asdict(one) for one in replayed.outcomes]}))
    elif not replayed.outcomes:
        typer.echo("No branch of this session was finished, so there is nothing to compare.")
    else:
        for one in replayed.outcomes:
            equal = one.latent_equal and one.image_equal
            far = "" if equal or one.largest_difference is None else f", by at most {one.largest_difference:.2g}"
            typer.echo(f"state {one.node}: {'the same, bit for bit' if equal else f'differs{far}'}")
        if not replayed.same_model:
            typer.echo("The model is not the one that the session was made with.")
        elif not replayed.same_shape:
            typer.echo("This machine executes otherwise than the recorded one (device, format, threads or torch).")
    if verify and not replayed.outcomes:
        raise ConfigError(f"No branch in {file} was finished, so there is nothing to verify: make its last step first.")
    if verify and replayed.same_shape and replayed.same_model and not replayed.exact:
        # a model is known by its weights, which do not say what they predict
        untold = "" if prediction or loaded.manifest.files else ", or --prediction was given then and is not now"
        raise ProtocolError(f"{file} does not come out as it was recorded: its log or its hashes have been changed{untold}.")
