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
COLUMNS, ENLARGED, CAPTION = 4, 192, 44


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the contact sheet.")] = Path("demo"),
    model: Annotated[str, typer.Option(help="A shipped name, a run's name or a model folder.")] = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option(help="Of every image.")] = 7,
) -> None:
    """Draw a contact sheet from twelve prompts and say where it is.

    Example: `ildm demo --out demo`
    """
    from ildm.checkpoint.load import load
    from ildm.cli.pictures import save_picture
    from ildm.core.progress import steps_bar

    loaded = load(model)
    with steps_bar("drawing twelve prompts") as progress:
        images = loaded.generate(list(PROMPTS), seed=seed, progress=progress)
    path = out / "sheet.png"
    save_picture(_sheet(images), path, {"prompts": list(PROMPTS), "seed": seed, "model": loaded.manifest.name})
    typer.echo(f"Twelve prompts, twelve pictures: {path.resolve()}")


def _sheet(images: list):
    import textwrap

    from PIL import Image, ImageDraw, ImageFont

    rows = -(-len(images) // COLUMNS)
    gap, font = 16, ImageFont.load_default(size=13)
    sheet = Image.new("RGB", (COLUMNS * (ENLARGED + gap) + gap, rows * (ENLARGED + CAPTION + gap) + gap), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (image, prompt) in enumerate(zip(images, PROMPTS, strict=True)):
        row, column = divmod(place, COLUMNS)
        left, top = gap + column * (ENLARGED + gap), gap + row * (ENLARGED + CAPTION + gap)
        sheet.paste(image.resize((ENLARGED, ENLARGED), Image.Resampling.LANCZOS), (left, top))
        pen.multiline_text((left, top + ENLARGED + 4), textwrap.fill(prompt, 30), fill="black", font=font)
    return sheet
