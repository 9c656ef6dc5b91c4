"""What drawing by a map larger than trained takes: time for each pixel, and memory, at growing sizes.

    python bench/large_maps.py --model semantic-map --out bench/results/large_maps.json

Sizes take turns within one run. The peak of memory is that of a process which draws one picture and nothing else.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

from PIL import Image as PILImage
from PIL import ImageDraw

from ildm.checkpoint.load import load
from ildm.conditioning.semantic_map import SemanticMap
from ildm.model import Model
from interleaved import machine, take_turns

_SHAPES = 6  # in a row of the map
_MIB = 2**20


def main() -> None:
    options = read_options()
    model = load(options.model, device="cpu", dtype="float32")
    if options.child:
        draw(model, options.child, options.steps)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    contenders = {str(side): partial(draw, model, side, options.steps) for side in options.sides}
    timings = take_turns(contenders, options.turns, warmups=1)
    least = min(options.sides)
    rows = []
    print(f"{options.steps} steps, median of {options.turns} turns; a pixel's time beside that at {least}")
    print(f"{'side':>6}{'s':>8}{'quartiles':>16}{'a pixel':>9}{'peak MiB':>10}")
    for side in options.sides:
        timing, memory = timings[str(side)], peak(options, side)
        ratio = (timing.median / side**2) / (timings[str(least)].median / least**2)
        low, high = timing.quartiles
        print(f"{side:6}{timing.median:8.2f}{f'{low:.2f} to {high:.2f}':>16}{ratio:9.2f}{memory / _MIB:10.0f}", flush=True)
        rows.append({"side": side, "seconds": timing.seconds, "time of a pixel": ratio, "peak bytes": memory})
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        fields = {"machine": machine(), "model": model.manifest.name, "weights": model.hash, "steps": options.steps}
        options.out.write_text(json.dumps(fields | {"rows": rows}, indent=1) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="one that draws by maps")
    parser.add_argument(
        "--sides", type=int, nargs="+", default=[128, 256, 512, 1024], help="of the pictures, in pixels, growing"
    )
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--child", type=int, metavar="SIDE", help=argparse.SUPPRESS)
    return parser.parse_args()


def draw(model: Model, side: int, steps: int) -> None:
    assert isinstance(model.hint, SemanticMap), "the model draws by maps"
    model.generate(seed=1, image=drawn_map(side, len(model.hint.config.names)), num_steps=steps)


def drawn_map(side: int, classes: int) -> PILImage.Image:
    """Discs of so many classes in rows, at every size the same picture."""
    made, cell = PILImage.new("L", (side, side)), side / _SHAPES
    pen = ImageDraw.Draw(made)
    for number in range(_SHAPES**2):
        left, top = number % _SHAPES * cell, number // _SHAPES * cell
        pen.ellipse((left + cell / 8, top + cell / 8, left + cell * 7 / 8, top + cell * 7 / 8), fill=1 + number % classes)
    return made


def peak(options: argparse.Namespace, side: int) -> int:
    """The most bytes that a process held which drew one picture."""
    arguments = ["--model", options.model, "--steps", str(options.steps), "--child", str(side)]
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True, text=True)
    return int(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
