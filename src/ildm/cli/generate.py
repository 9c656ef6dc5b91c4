"""`ildm generate`: words to PNG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ildm.checkpoint.named import DEFAULT_MODEL
from ildm.cli.options import (
    MAX_COUNT,
    MAX_SIDE,
    Device,
    DType,
    GuidanceScale,
    NumSteps,
    Prediction,
    Side,
    UNet,
    Vae,
    check_prediction,
)
from ildm.cli.regional import BaseRatio, OverlapRule, RegionMode, Regions, Split
from ildm.core.errors import ConfigError

if TYPE_CHECKING:
    from ildm.model import Model


def generate(
    prompt: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to draw; several prompts make several images.",
            show_default="required unless --like, --regions or --boxes says it, or the model takes none",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="A shipped name, a run's name, a model folder or a .safetensors file.", show_default=DEFAULT_MODEL),
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What to move away from.", show_default=False)] = None,
    num_steps: NumSteps = None,
    guidance_scale: GuidanceScale = None,
    guidance_rescale: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Against over-exposure; 0.7 is usual.", show_default="the model's")
    ] = None,
    projected: Annotated[bool, typer.Option("--apg", help="Adaptive projected guidance, against over-saturation.")] = False,
    sampler: Annotated[
        str | None, typer.Option(help="dpmpp-2m, unipc, heun, ddim, euler-ancestral, ...", show_default="the model's")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the first image; each further one adds 1.", show_default="drawn")] = None,
    count: Annotated[int, typer.Option(min=1, max=MAX_COUNT, help="Images per prompt.")] = 1,
    width: Side = None,
    height: Side = None,
    like: Annotated[
        Path | None, typer.Option(help="A drawn picture: what is not said here is as it was there.", show_default=False)
    ] = None,
    regions: Regions = None,
    division: Split = None,
    base_ratio: BaseRatio = None,
    region_mode: RegionMode = None,
    overlap: OverlapRule = None,
    out: Annotated[Path, typer.Option(help="A .png file for one image, else a folder.")] = Path(),
    prediction: Prediction = None,
    lora: Annotated[
        list[str] | None, typer.Option(help="A LoRA file, FILE or FILE=STRENGTH; may be repeated.", show_default=False)
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="For layout models: JSON, what is where, in place of the prompt.", show_default=False)
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="What the model is shown: the picture to draw into, the map to draw by, the small picture to draw larger.",
            show_default=False,
        ),
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="For inpainting models: white where to draw.")] = None,
    vae: Vae = None,
    unet: UNet = None,
    device: Device = None,
    dtype: DType = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network first: a minute or more, then faster on GPUs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Draw images from words.

    Example: `ildm generate "a red apple on a plain blue background" --seed 7 --out apple.png`

    Every PNG carries its call; `ildm info apple.png` shows it, and `ildm generate --like apple.png` draws it again. Images are
    drawn a few at a time, and saved as they are drawn; with --regions or --split one by one, and `ildm replay` makes them again.
    """
    import json

    from ildm.checkpoint.load import load
    from ildm.cli.drawing import prompt_notes
    from ildm.cli.like import NO_LIKENESS, read_likeness
    from ildm.cli.pictures import destinations, open_numbers, open_picture
    from ildm.cli.regional import draw_regional, put_in_loras, read_layout, refuse_beside_regions, texts_of
    from ildm.core.progress import steps_bar
    from ildm.core.seeds import check_seed, draw_seed
    from ildm.denoiser.guidance import Projection

    options = {
        "prompt": prompt or None,
        "model": model,
        "negative_prompt": negative_prompt,
        "num_steps": num_steps,
        "guidance_scale": guidance_scale,
        "guidance_rescale": guidance_rescale,
        "apg": projected or None,
        "sampler": sampler,
        "seed": seed,
        "lora": lora or None,
        "prediction": check_prediction(prediction),
        "unet": None if unet is None else str(unet),
        "vae": None if vae is None else str(vae),
        "width": width,
        "height": height,
    }
    asked = {name: value for name, value in options.items() if value is not None}
    layout = read_layout(regions, division, base_ratio=base_ratio, mode=region_mode, overlap=overlap)
    likeness = NO_LIKENESS if like is None else read_likeness(like, asked)
    wanted = {**likeness.settings, **(layout.prompts if layout else {}), **asked}
    if layout:
        refuse_beside_regions({"--apg": wanted.get("apg"), "--image": image, "--mask": mask})
    first = check_seed(wanted["seed"]) if "seed" in wanted else draw_seed()
    source = wanted.get("model", DEFAULT_MODEL)
    if boxes is not None:
        wanted["prompt"] = _layout(boxes, wanted, source)
    prompts = [text for text in _prompts(wanted, like, source) for _ in range(count)]
    seeds = [first + place for place in range(len(prompts))]
    check_seed(seeds[-1])
    negative = {"negative_prompt": wanted.get("negative_prompt", "")}
    presets = [layout.preset(text, **negative) for text in prompts] if layout else []
    paths = destinations(out, [layout.title(text) for text in prompts] if layout else prompts, seeds)
    loaded = load(
        source, device=device, dtype=dtype, prediction=wanted.get("prediction"), unet=unet, vae=vae, compiled=compiled
    )
    if compiled:
        typer.echo("ildm: the first step compiles the network, which takes a minute or more.", err=True)
    notes = put_in_loras(loaded, lora or (), presets)
    defaults = loaded.manifest.defaults
    texts, steps = texts_of(presets) or prompts, wanted.get("num_steps", defaults.num_steps)
    for note in [*likeness.notes(loaded.manifest), *prompt_notes(loaded.conditioner, texts, steps), *notes]:
        typer.echo(f"ildm: {note}", err=True)
    area = None if mask is None else open_picture(mask)
    read = open_numbers if loaded.hint is not None and loaded.hint.reads_numbers else open_picture
    picture = None if image is None else read(image)
    native_width, native_height = loaded.size_for(picture)
    size, projected = (wanted.get("width", native_width), wanted.get("height", native_height)), wanted.get("apg", False)
    if max(size) > MAX_SIDE:
        raise ConfigError(
            f"At most {MAX_SIDE} pixels a side are drawn, but {image} is {size[0]}x{size[1]}: make it smaller first."
        )
    named = ("num_steps", "guidance_scale", "guidance_rescale", "sampler")
    settings = {name: wanted.get(name, getattr(defaults, name)) for name in named}
    places = zip(paths, prompts, seeds, strict=True)
    written = [{"path": str(path), "prompt": text, "seed": number} for path, text, number in places]
    with steps_bar("drawing") as progress:
        if layout:
            drawn = draw_regional(loaded, presets, seeds, paths, size=size, progress=progress, **settings)
        else:
            settings = {**negative, **settings}
            described = {**settings, "apg": projected, "lora": lora or [], "width": size[0], "height": size[1]}
            described |= {"model": loaded.manifest.name, "model_files": loaded.manifest.files}
            described |= {name: wanted[name] for name in ("prediction", "unet", "vae") if name in wanted}
            settings |= {"guidance_projection": Projection() if projected else None, "image": picture, "mask": area}
            drawn = _draw(loaded, prompts, seeds, paths, described, size=size, progress=progress, **settings)
        for one in written:
            next(drawn)
            if not as_json:
                typer.echo(f"{one['path']}  (seed {one['seed']})")
    if as_json:
        typer.echo(json.dumps(written))


def _draw(
    model: Model,
    prompts: Sequence[str],
    seeds: Sequence[int],
    paths: Sequence[Path],
    described: Mapping[str, Any],
    **settings: Any,
) -> Iterator[None]:
    """Draw images a few at a time and save them; yields after each."""
    from ildm.cli.drawing import draw_in_batches
    from ildm.session.pictures.file import write_picture

    places = zip(paths, prompts, seeds, strict=True)
    for images in draw_in_batches(model, prompts, seeds, **settings):
        for drawn in images:
            path, text, number = next(places)
            write_picture(drawn, path, {"prompt": text, "seed": number, **described})
            yield


def _prompts(wanted: Mapping[str, Any], like: Path | None, source: str) -> list[str]:
    from ildm.checkpoint.load import describe

    if "prompt" in wanted:
        return [wanted["prompt"]] if isinstance(wanted["prompt"], str) else wanted["prompt"]
    if like is not None:
        raise ConfigError(f"{like} carries settings, but no prompt: give one beside --like.")
    if describe(source, prediction=wanted.get("prediction")).conditioner is None:
        return [""]
    raise ConfigError(
        "ildm generate needs PROMPT (what to draw; several prompts make several images), --regions with a preset, --boxes for a layout "
        "model, or --like with a picture, but none was given: `ildm generate --help` shows an example."
    )


def _layout(boxes: Path, wanted: Mapping[str, Any], source: str) -> str:
    from ildm.checkpoint.load import describe
    from ildm.conditioning.layout import LayoutConditioner, layout_from_json, layout_prompt
    from ildm.core.errors import DataError

    if "prompt" in wanted:
        raise ConfigError("--boxes says what is drawn, and so does PROMPT: leave one of them out.")
    told = describe(source, prediction=wanted.get("prediction")).conditioner
    if told is None or told["kind"] != LayoutConditioner.kind:
        raise ConfigError(f"--boxes is for layout models, but {source!r} is none: choose another --model, or give PROMPT.")
    try:
        text = boxes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The boxes {boxes} cannot be read: {error}.") from error
    return layout_prompt(layout_from_json(text, str(boxes)))
