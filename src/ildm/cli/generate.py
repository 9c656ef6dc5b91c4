"""`ildm generate`: words to PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ildm.checkpoint.named import DEFAULT_MODEL


def generate(
    prompt: Annotated[list[str], typer.Argument(help="What to draw; several prompts make several images.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="A shipped name, a run's name, a model folder or a checkpoint file.")
    ] = DEFAULT_MODEL,
    negative_prompt: Annotated[str, typer.Option(help="What to move away from.")] = "",
    num_steps: Annotated[int | None, typer.Option(help="Denoising steps.", show_default="the model's")] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="How strongly to follow the words; 1 = as they are.", show_default="the model's")
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="ddim, euler, euler-ancestral, heun, dpmpp-2m, ...", show_default="the model's")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the first image; each further one adds 1.", show_default="drawn")] = None,
    count: Annotated[int, typer.Option(min=1, help="Images per prompt.")] = 1,
    width: Annotated[int | None, typer.Option(help="Pixels.", show_default="the model's")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels.", show_default="the model's")] = None,
    out: Annotated[Path, typer.Option(help="A .png file for one image, else a folder.")] = Path(),
    device: Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU when there is one")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16.", show_default="the device's default")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Draw images from words.

    Example: `ildm generate "a red apple on a plain blue background" --seed 7 --out apple.png`

    Every PNG carries its call; `ildm info apple.png` shows it.
    """
    import json

    from ildm.checkpoint.load import load
    from ildm.cli.pictures import destinations, save_picture
    from ildm.core.progress import steps_bar
    from ildm.core.randomness import draw_seed

    loaded = load(model, device=device, dtype=dtype)
    first = draw_seed() if seed is None else seed
    prompts = [text for text in prompt for _ in range(count)]
    seeds = [first + place for place in range(len(prompts))]
    paths = destinations(out, prompts, seeds)
    defaults, (native_width, native_height) = loaded.manifest.defaults, loaded.image_size
    settings = {
        "negative_prompt": negative_prompt,
        "num_steps": defaults.num_steps if num_steps is None else num_steps,
        "guidance_scale": defaults.guidance_scale if guidance_scale is None else guidance_scale,
        "sampler": defaults.sampler if sampler is None else sampler,
        "width": native_width if width is None else width,
        "height": native_height if height is None else height,
    }
    with steps_bar("drawing") as progress:
        images = loaded.generate(prompts, seed=seeds, progress=progress, **settings)
    written = []
    for image, path, text, number in zip(images, paths, prompts, seeds, strict=True):
        call = {"prompt": text, "seed": number, **settings, "model": loaded.manifest.name, "model_files": loaded.manifest.files}
        save_picture(image, path, call)
        written.append({"path": str(path), "prompt": text, "seed": number})
    if as_json:
        typer.echo(json.dumps(written))
    else:
        for entry in written:
            typer.echo(f"{entry['path']}  (seed {entry['seed']})")
