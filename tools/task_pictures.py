"""Draws the pictures of the task pages: python tools/task_pictures.py MODEL --out docs/pictures/task-inpainting.jpg

What the model was shown, or what it was told, stands beside what it drew of it: unseen scenes, unpicked, the n-th with seed n.
"""

from __future__ import annotations

import argparse
import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

import ildm
from ildm.conditioning.layout import LayoutConditioner, Placed, read_layout
from ildm.conditioning.prompt import escape
from ildm.core.config import from_json
from ildm.core.picture import enlarged, paste_grid
from ildm.data.emoji_scenes import EmojiScenes, EmojiScenesConfig
from ildm.data.sample import Sample
from ildm.evaluation.asking import Ask, Asking
from ildm.model import Model

_HOLE, _PAPER, _SEED = (222, 222, 222), (240, 240, 240), 300
_GOLDEN = 0.618034  # of the circle of hues, between one class and the next


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--columns", type=int, default=4, help="pairs in a row")
    options = parser.parse_args()
    model = ildm.load(options.model)
    samples = _unseen(model, options.count)
    asks = Asking(model.conditioner, model.hint)(samples)
    drawn = [_draw(model, ask, seed) for seed, ask in enumerate(asks)]
    side = max(model.image_size)
    pictures, captions = [], []
    for ask, made in zip(asks, drawn, strict=True):
        shown = _shown(model, ask, side)
        pictures += [made] if shown is None else [shown, made]
        captions += [ask.prompt] if shown is None else []
    columns = options.columns * (1 if captions else 2)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sheet = paste_grid(pictures, columns=columns, captions=captions if any(captions) else (), lines=3, gap=4)
    sheet.save(options.out, quality=88)
    print(f"{options.out}: {sheet.width}x{sheet.height}")


def _unseen(model: Model, count: int) -> list[Sample]:
    trained = model.manifest.training["recipe"]["data"]
    config = from_json(EmojiScenesConfig, {key: value for key, value in trained.items() if key != "kind"})
    scenes = EmojiScenes(replace(config, split="unseen_scene", seed=_SEED, length=count, captions=1))
    return [scenes[index] for index in range(count)]


@torch.inference_mode()
def _draw(model: Model, ask: Ask, seed: int) -> PILImage.Image:
    return model.generate(escape(ask.prompt), seed=seed, image=ask.image, mask=ask.mask)[0]


def _shown(model: Model, ask: Ask, side: int) -> PILImage.Image | None:
    """What the model was shown of a scene; None where it was told in words."""
    if ask.image is None:
        return _boxes(read_layout(ask.prompt), side) if isinstance(model.conditioner, LayoutConditioner) else None
    if model.hint is not None and model.hint.reads_numbers:
        return _coloured(np.asarray(ask.image))
    if ask.mask is not None:
        grey = PILImage.new("RGB", ask.image.size, _HOLE)
        return PILImage.composite(grey, ask.image, ask.mask.convert("L"))
    return enlarged(ask.image, side)


def _boxes(things: tuple[Placed, ...], side: int) -> PILImage.Image:
    paper = PILImage.new("RGB", (side, side), _PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(10)
    for place, thing in enumerate(things):
        left, top, right, bottom = (number * (side - 1) for number in thing.box)
        colour = _hue(place)
        pen.rectangle((left, top, right, bottom), outline=colour, width=2)
        pen.text((left + 4, top + 3), thing.label, fill=colour, font=font)
    return paper


def _coloured(numbers: np.ndarray) -> PILImage.Image:
    """A map with a colour for each class; the background is grey."""
    picture = np.full((*numbers.shape, 3), _PAPER, np.uint8)
    for number in np.unique(numbers):
        if number:
            picture[numbers == number] = _hue(int(number))
    return PILImage.fromarray(picture)


def _hue(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb(number * _GOLDEN % 1.0, 0.45, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)


if __name__ == "__main__":
    main()
