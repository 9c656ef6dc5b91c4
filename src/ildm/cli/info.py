"""`ildm info`: what a model or a picture says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ildm.cli.options import Prediction, check_prediction

if TYPE_CHECKING:
    from ildm.core.manifest import Manifest

_TOLD = {"label": "a class", "layout": "boxes with names"}


def info(
    model: Annotated[str, typer.Argument(help="A shipped name, a run's name, a model folder or file, or a drawn picture.")],
    prediction: Prediction = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole manifest, or the settings in one line, as JSON.")
    ] = False,
) -> None:
    """Show a model's manifest, or the settings that made a picture.

    Example: `ildm info emoji-scenes --json`

    A picture is a PNG of ildm, or a PNG, JPEG or WebP file of a program that writes what AUTOMATIC1111's web UI writes.
    """
    import json
    import shutil
    import textwrap

    from ildm.checkpoint.load import describe, locate
    from ildm.session.pictures.file import SUFFIXES, read_settings

    path = locate(model)
    if path.suffix.lower() in SUFFIXES:
        typer.echo(json.dumps(read_settings(path)[0], indent=None if as_json else 1, ensure_ascii=False))
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
        "told": _told(manifest),
        "shown": _shown(manifest.hint),
        "concepts": f"{len(manifest.concepts)}: {', '.join(manifest.concepts)}" if manifest.concepts else "",
        "in maps": _numbers(manifest),
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


def _told(manifest: Manifest) -> str:
    """What a prompt is to the model; empty where it is shown something instead."""
    if manifest.conditioner is None:
        return "" if manifest.hint else "nothing"
    return _TOLD.get(manifest.conditioner["kind"], "words")


def _shown(hint: dict[str, Any] | None) -> str:
    """What it is shown beside the prompt; empty = nothing."""
    if hint is None:
        return ""
    shows = {
        "semantic-map": "a map, each pixel the number of a class",
        "low-resolution": f"a small picture, drawn {hint.get('factor')} times larger",
        "inpainting": "a picture, and a mask that is white where to draw",
    }
    return shows.get(hint["kind"], str(hint["kind"]))


def _numbers(manifest: Manifest) -> str:
    """The classes of a map by their numbers, as many as the model has learned."""
    names = (manifest.hint or {}).get("names", ())
    learned = manifest.concepts or names
    return ", ".join(f"{number} {name}" for number, name in enumerate(names, start=1) if name in learned)
