"""`ildm regions`: presets of regions: list, look, take in, give away, rename, throw away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ildm.cli.printable import printable

if TYPE_CHECKING:
    from ildm.session.region_library import Listed
    from ildm.session.region_presets import PresetRegion, RegionPreset

app = typer.Typer(
    help="List, show, import, export, rename and remove presets of regions.", no_args_is_help=True, rich_markup_mode="markdown"
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
StorePath = Annotated[
    Path | None,
    typer.Option("--store", help="File of the session store.", show_default="sessions/sessions.sqlite in ILDM_HOME"),
]
Source = Annotated[str, typer.Argument(metavar="NAME", help="A preset's name, its .json file, or a picture with regions.")]
Known = Annotated[str, typer.Argument(metavar="NAME", help="Of a preset of yours.")]


@app.command("list")
def list_presets(as_json: AsJson = False, store: StorePath = None) -> None:
    """List the presets that are known by name: yours, then those that come with ildm.

    Example: `ildm regions list`
    """
    import json

    from ildm.session.region_library import open_library

    with open_library(store) as library:
        found = list(library.all())
    if as_json:
        typer.echo(json.dumps([_fields(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        typer.echo(_line(one))


@app.command()
def show(preset: Source, as_json: AsJson = False, store: StorePath = None) -> None:
    """Tell what is in a preset.

    Example: `ildm regions show ring`
    """
    from ildm.session.region_files import preset_text
    from ildm.session.region_library import find_preset

    found = find_preset(preset, store=store)
    if as_json:
        typer.echo(preset_text(found), nl=False)
        return
    lines = {
        "name": found.name,
        "about": found.description,
        "prompt": found.prompt or "",
        "negative": found.negative_prompt or "",
        "common": found.common_prompt,
        "rules": f"{found.mode}, {found.overlap}",
    }
    for name, value in lines.items():
        if value:
            typer.echo(printable(f"{name:10}{value}"))
    for number, region in enumerate(found.regions, start=1):
        typer.echo(printable(f"{f'region {number}':10}{_told(region)}"))


@app.command("import")
def import_preset(
    file: Annotated[
        Path, typer.Argument(help="A preset's .json file, a picture with regions, or Regional Prompter's file of presets.")
    ],
    name: Annotated[str | None, typer.Option(help="What to call it.", show_default="as the file does")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of one of yours of that name.")] = False,
    preset: Annotated[str | None, typer.Option(help="Of Regional Prompter's: which one.", show_default="the only one")] = None,
    prompt: Annotated[
        str | None, typer.Option(help="Of Regional Prompter's: the texts, with BREAK between.", show_default=False)
    ] = None,
    negative_prompt: Annotated[
        str | None, typer.Option(help="Of Regional Prompter's: the texts, or one for all.", show_default=False)
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="Of Regional Prompter's: the colour mask.", show_default="regional_masks/PRESET.png beside the file"),
    ] = None,
    as_json: AsJson = False,
    store: StorePath = None,
) -> None:
    """Take in a preset, to have it by its name.

    Example: `ildm regions import sunset.json --name evening`

    A file of Regional Prompter's has no prompts: `ildm regions import regional_prompter_presets.json --preset mine --prompt "a BREAK b"`
    """
    import json

    from ildm.cli.regional_prompter import read_chosen
    from ildm.core.errors import ConfigError
    from ildm.session.region_library import find_preset, open_library
    from ildm.session.region_presets import RegionPreset
    from ildm.session.wire import checked

    chosen = read_chosen(file, preset=preset, prompt=prompt, negative_prompt=negative_prompt, mask=mask)
    given = {"--preset": preset, "--prompt": prompt, "--negative-prompt": negative_prompt, "--mask": mask}
    alien = next((option for option, value in given.items() if value is not None), None)
    if chosen is None and alien is not None:
        raise ConfigError(f"{alien} is for Regional Prompter's files of presets, but {file} is none: leave it out.")
    taken = find_preset(file) if chosen is None else chosen
    if name is not None:
        taken = taken.model_copy(update={"name": checked(RegionPreset, {"name": name}).name})
    with open_library(store, make=True) as library:
        library.keep(taken, replace=replace)
    if as_json:
        typer.echo(json.dumps({"name": taken.name, "regions": len(taken.regions)}, ensure_ascii=False))
    else:
        typer.echo(printable(f"Preset {taken.name!r} with {_counted(taken)} is kept."))


@app.command("export")
def export_preset(
    preset: Source,
    file: Annotated[Path, typer.Argument(help="To write; its name ends in .json.")],
    store: StorePath = None,
) -> None:
    """Write a preset, masks included, to one file that can be read on another machine.

    Example: `ildm regions export ring ring.json`
    """
    from ildm.core.errors import ConfigError
    from ildm.session.region_files import write_preset
    from ildm.session.region_library import SUFFIX, find_preset

    if file.suffix.lower() != SUFFIX:
        raise ConfigError(f"A preset is exported to a file that ends in {SUFFIX}, but {file} was given.")
    found = find_preset(preset, store=store)
    write_preset(found, file)
    typer.echo(printable(f"Preset {found.name!r} is in {file}."))


@app.command()
def rename(
    name: Known,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="What to call it.")],
    store: StorePath = None,
) -> None:
    """Give a preset of yours another name.

    Example: `ildm regions rename evening dusk`
    """
    from ildm.session.region_library import open_library

    with open_library(store) as library:
        library.rename(name, new_name)
    typer.echo(printable(f"Preset {name!r} is called {new_name!r} now."))


@app.command()
def remove(name: Known, store: StorePath = None) -> None:
    """Throw a preset of yours away.

    Example: `ildm regions remove dusk`
    """
    from ildm.session.region_library import open_library

    with open_library(store) as library:
        library.remove(name)
    typer.echo(printable(f"Preset {name!r} is removed."))


def _fields(one: Listed) -> dict[str, str | int | list[str]]:
    if one.preset is None:
        return {"name": one.name, "origin": one.origin, "problem": one.problem}
    return {
        "name": one.name,
        "origin": one.origin,
        "description": one.preset.description,
        "mode": one.preset.mode,
        "overlap": one.preset.overlap,
        "prompts": [region.prompt for region in one.preset.regions],
    }


def _line(one: Listed) -> str:
    origin = "yours" if one.origin == "own" else "ildm's"
    said = f"damaged: {one.problem}" if one.preset is None else f"{_counted(one.preset):10}  {one.preset.description}"
    return printable(f"{one.name:22}  {origin:6}  {said}").rstrip()


def _counted(preset: RegionPreset) -> str:
    return f"{len(preset.regions)} region{'' if len(preset.regions) == 1 else 's'}"


def _told(region: PresetRegion) -> str:
    """A region in a line: its prompt, what is not as usual, and where it is."""
    usual = type(region)()
    other = [
        f"{name.replace('_', ' ')} {value}"
        for name in ("strength", "base_ratio", "guidance_scale", "seed")
        if (value := getattr(region, name)) != getattr(usual, name)
    ]
    name = f"{region.name}: " if region.name else ""
    negative = [f"not {region.negative_prompt!r}"] if region.negative_prompt else []
    window = [f"steps {region.window[0]} to {region.window[1] - 1}"] if region.window else []
    worn = [f"LoRA {lora.name} {lora.strength:g}" for lora in region.loras]
    return ", ".join([f"{name}{region.prompt!r}", *negative, *other, *window, *worn, _where(region)])


def _where(region: PresetRegion) -> str:
    if region.box is not None:
        return "in the box " + " ".join(f"{border:.4g}" for border in region.box)
    if region.mask is not None:
        return f"in a mask of {region.mask.width} x {region.mask.height} pixels, {region.mask.to_array().mean():.0%} of the picture"
    return "nowhere yet"
