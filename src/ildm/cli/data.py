"""`ildm data`: build EmojiScenes, take in your own images, cache latents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ildm.cli.options import MAX_SIDE, Device, check_choice

app = typer.Typer(
    help="Build EmojiScenes, take in your own images, cache latents.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Size = Annotated[int, typer.Option(min=1, max=MAX_SIDE, help=f"Side of the square images, pixels, {MAX_SIDE} at most.")]
SceneSize = Annotated[int, typer.Option(min=1, max=MAX_SIDE, help="Side of the square images: 64, 128 or 256 pixels.")]
MOST_SCENES = 10_000_000
_PREVIEWED = 48


@app.command()
def emoji(
    size: SceneSize = 128,
    split: Annotated[
        str, typer.Option(help="train, unseen_scene, unseen_pair, unseen_concept_pair or unseen_style.")
    ] = "train",
    seed: Annotated[int, typer.Option(help="Of the scenes.")] = 0,
    preview: Annotated[Path | None, typer.Option(help="Draw a contact sheet of the split into this PNG file.")] = None,
    statistics: Annotated[bool, typer.Option("--statistics", help="Count what every split shows.")] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write scenes of the split, with captions and maps, to this folder.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST_SCENES, help="Scenes to export, or to count per split.")] = 1000,
    sprites: Annotated[str, typer.Option(help="cache, or sample for the 24 sprites inside the package.")] = "cache",
    as_json: AsJson = False,
) -> None:
    """Build the sprites of EmojiScenes once, and look at its scenes.

    Example: `ildm data emoji --size 128 --preview scenes.png`

    The drawings are fetched as pinned npm packages; a second call finds them done.
    """
    from ildm.core.files import check_writable
    from ildm.core.progress import steps_bar
    from ildm.data.audit import audit_all
    from ildm.data.card import write_card
    from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
    from ildm.data.exporting import export_samples
    from ildm.data.splits import SPLITS
    from ildm.data.sprite_cache import build_sprites, resolution_for, sprite_folder

    check_choice("--split", split, SPLITS)
    check_choice("--sprites", sprites, ("cache", "sample"))
    if preview is not None:
        check_writable(preview)
    if export is not None:
        check_writable(export, folder=True)
    config = EmojiScenesConfig(size=size, split=split, seed=seed, sprites=sprites)  # type: ignore[arg-type]
    folder = sprite_folder(config.sprites, resolution_for(size))
    if config.sprites == "cache":
        with steps_bar("rendering sprites") as progress:
            folder = build_sprites(resolution_for(size), progress=progress)
        write_card(folder)
    dataset = EmojiScenes(config)
    result: dict[str, Any] = {"sprites": str(folder), **dataset.describe(), **_held(folder, dataset)}
    if preview is not None:
        result["preview"] = str(_write_preview(dataset, preview))
    if export is not None:
        with steps_bar("exporting") as progress:
            result["exported"] = export_samples(dataset, export, count, progress=progress)
        result["export"] = str(export)
    if statistics:
        with steps_bar("counting") as progress:
            result["statistics"] = audit_all(config, count, progress=progress)
    _tell_emoji(result, as_json)


@app.command("import")
def import_images(
    folder: Annotated[Path, typer.Argument(help="Holds the images, each with a caption unless --without-captions is given.")],
    name: Annotated[str, typer.Option(help="What to call the data set.")],
    size: Size = 128,
    fit: Annotated[str, typer.Option(help="crop keeps the middle square, pad keeps everything.")] = "crop",
    background: Annotated[str, typer.Option(help="Colour of clear parts and of padding.")] = "white",
    without_captions: Annotated[bool, typer.Option("--without-captions", help="Keep images that have none.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of other images of this name.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take in your own images: every file is checked, and what is refused is listed with the reason.

    Example: `ildm data import photos --name garden --size 128`

    Captions come from IMAGE.txt beside an image (one wording a line), metadata.jsonl, or a CSV file with the columns
    file_name and caption; boxes and maps from metadata.jsonl.
    """
    import json

    from ildm.core.progress import steps_bar
    from ildm.data.importing import ImportOptions, import_folder

    options = ImportOptions(
        size=size,
        fit=fit,  # type: ignore[arg-type]
        background=background,
        need_captions=not without_captions,
        replace=replace,
    )
    with steps_bar("reading images") as progress:
        report = import_folder(folder, name, options, progress=progress)
    if as_json:
        values = {"folder": str(report.folder), "kept": report.kept, "unchanged": report.unchanged, "refused": report.refused}
        typer.echo(json.dumps(values, indent=1))
        return
    for file, reason in report.refused:
        typer.echo(f"refused {file}: {reason}")
    state = "Already imported" if report.unchanged else "Imported"
    typer.echo(f"{state}: {report.kept} images as {name!r}, {len(report.refused)} files refused. Folder: {report.folder}")


@app.command()
def card(size: SceneSize = 128) -> None:
    """Write the data card and the attribution of EmojiScenes beside its sprites.

    Example: `ildm data card`
    """
    from ildm.data.card import write_card
    from ildm.data.sprite_cache import resolution_for, sprite_folder

    for path in write_card(sprite_folder("cache", resolution_for(size))):
        typer.echo(str(path))


@app.command()
def encode(
    model: Annotated[str, typer.Argument(help="Whose autoencoder: a shipped name, a run's name or a model folder.")],
    data: Annotated[str, typer.Option(help="emoji for EmojiScenes, or the name of imported images.")] = "emoji",
    size: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIDE, help="Side of the images, pixels.", show_default="the model's")
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=MOST_SCENES, help="Scenes to encode; imported images are encoded whole.")
    ] = 50_000,
    out: Annotated[Path | None, typer.Option(help="Folder of the latents.", show_default="below the data folder")] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=4096, help="Images at a time.")] = 64,
    workers: Annotated[int, typer.Option(min=0, max=256, help="Processes that prepare images.")] = 1,
    device: Device = None,
) -> None:
    """Compute the latents of a data set once, so that training does not have to.

    Example: `ildm data encode emoji-scenes --data emoji --count 50000`

    The latents are bound to the encoder by its checksum; a second call goes on where the first one stopped.
    """
    from ildm.checkpoint.load import load
    from ildm.core.files import check_writable, home
    from ildm.core.progress import steps_bar
    from ildm.data.emoji_scenes import EmojiScenesConfig
    from ildm.data.encoding import encode_dataset
    from ildm.data.folder import ImageFolderConfig
    from ildm.data.opening import open_dataset

    loaded = load(model, device=device)
    side = size or loaded.image_size[0]
    config = EmojiScenesConfig(size=side, length=count) if data == "emoji" else ImageFolderConfig(name=data, size=side)
    dataset = open_dataset(config)
    maker = loaded.autoencoder.encoder_fingerprint()
    folder = out or home() / "latents" / f"{dataset.fingerprint[:12]}-{maker[:12]}"
    check_writable(folder, folder=True)
    with steps_bar("encoding") as progress:
        encode_dataset(dataset, loaded.encode, maker, folder, batch_size=batch_size, workers=workers, progress=progress)
    typer.echo(f"{len(dataset)} samples are encoded. Folder: {folder}")


def _held(folder: Path, dataset: Any) -> dict[str, Any]:
    """What the sprites really hold of the concepts and styles that the configuration allows."""
    from ildm.data.sprite_cache import read_manifest

    allowed, styles = {concept.code for concept in dataset.concepts}, read_manifest(folder)["styles"]
    held = {style: allowed & set(styles[style]["sprites"]) for style in dataset.styles if style in styles}
    return {"concepts": len(set().union(*held.values())), "styles": [style for style, codes in held.items() if codes]}


def _write_preview(dataset: Any, path: Path) -> Path:
    from ildm.core.files import atomic_file
    from ildm.data.contact_sheet import contact_sheet

    page = contact_sheet(dataset, _PREVIEWED)
    with atomic_file(path) as temporary:
        page.save(temporary, "PNG")
    return path


def _tell_emoji(result: dict[str, Any], as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps(result, indent=1))
        return
    typer.echo(
        f"EmojiScenes is ready: {result['concepts']} concepts in {len(result['styles'])} styles. Sprites: {result['sprites']}"
    )
    for row in result.get("statistics", ()):
        rule = "keeps to its rule" if row["keeps_its_rule"] else "BREAKS ITS RULE"
        typer.echo(
            f"{row['split']}: {row['scenes']} scenes, {row['objects']} objects, {row['concepts']} concepts, "
            f"styles {', '.join(row['styles'])}; {row['related']} with a clear relation; {rule}"
        )
    if "preview" in result:
        typer.echo(f"Contact sheet: {result['preview']}")
    if "export" in result:
        typer.echo(f"{result['exported']} scenes written to {result['export']}")
