"""`ildm demo`: twelve prompts, one contact sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.checkpoint.named import DEFAULT_MODEL

PROMPTS = (
    "a red apple on a plain blue background",
    "a fox on a plain green background",
    "a rocket on a plain black background",
    "a castle on a plain pink background",
    "a doughnut on a plain yellow background",
    "a guitar on a plain teal background",
    "a penguin, 3d style",
    "a rainbow on a plain white background",
    "a banana to the left of a pineapple on a plain white background",
    "a crown above a star on a plain blue background",
    "a turtle on a green and yellow striped background",
    "a snowman on a blue to white gradient background",
)
COLUMNS, ENLARGED = 4, 192


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the contact sheet.")] = Path("demo"),
    model: Annotated[str, typer.Option(help="A shipped name, a run's name or a model folder.")] = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option(help="Of every image.")] = 7,
) -> None:
    """Draw a contact sheet from twelve prompts and say where it is.

    Example: `ildm demo --out demo`
    """
    from PIL import Image

    from ildm.checkpoint.load import load
    from ildm.cli.drawing import draw_in_batches
    from ildm.core.files import check_writable
    from ildm.core.picture import paste_grid
    from ildm.core.progress import steps_bar
    from ildm.core.seeds import check_seed
    from ildm.session.pictures.file import write_picture

    path, seeds = out / "sheet.png", [check_seed(seed)] * len(PROMPTS)
    check_writable(path)
    loaded = load(model)
    with steps_bar("drawing twelve prompts") as progress:
        batches = draw_in_batches(loaded, PROMPTS, seeds, size=loaded.image_size, progress=progress)
        images = [image for batch in batches for image in batch]
    enlarged = [image.resize((ENLARGED, ENLARGED), Image.Resampling.LANCZOS) for image in images]
    sheet = paste_grid(enlarged, columns=COLUMNS, captions=PROMPTS, lines=3, gap=16)
    write_picture(sheet, path, {"prompts": list(PROMPTS), "seed": seed, "model": loaded.manifest.name})
    typer.echo(f"Twelve prompts, twelve pictures: {path.resolve()}")
