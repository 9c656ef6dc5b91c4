"""Stable Diffusion beside diffusers: one denoising step at full size, whole images as each program draws them by default, and opening
a file; where there is a GPU, whole images there.

    python bench/peers.py --out bench/results/peers.json

Weights are random: speed does not depend on them. Each contender is a process with one model; as many as memory holds take turns, the
same one among them every time, and every ratio is taken turn by turn. Figures are written after each group. What compiles comes last,
and what the limit leaves no time for is named. Stop everything else; `--tiny` rehearses it all.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

import ildm
from contender import COMPILED, EAGER, FROZEN, WHOLE, Holding
from ildm.core.device import pick_dtype
from ildm.core.picture import from_picture
from ildm.core.types import Conditioning
from ildm.denoiser.unet import UNet
from interleaved import Call, Timing, machine, matrix_product
from opening import opening
from published import sizes, write
from sample import BATCH, DTYPES, TOKENS, Case
from turns import LateError, LostError, Process, in_turns

SPARE = 1.5e9  # bytes that a process needs beside weights
SIDES = (512, 1024)
GPU_STEPS, CPU_STEPS, TINY_STEPS = 50, 25, 2
TRAINED = "emoji-scenes"
Figures = dict[str, Any]


def main() -> None:
    options = read_options()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench = Bench(options, Path(folder))
        for name, part in bench.parts():
            if options.only is None or any(text in name for text in options.only):
                bench.go(name, part)
        bench.results["load average after"] = machine()["load average"]
        bench.save()
        if bench.results["GPU"] == "not measured":
            print("\nGPU: not measured")
    print(f"\n{(time.monotonic() - bench.begin) / 60:.1f} minutes; " + json.dumps(bench.results["machine"]))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument(
        "--only", action="append", help="parts whose names contain this, say 65 M, bfloat16, compiled, defaults, opening, GPU"
    )
    parser.add_argument("--repeats", type=int, default=3, help="timed turns per contender (default: 3)")
    parser.add_argument("--limit-minutes", type=float, default=20.0, help="begin nothing after so long (default: 20)")
    parser.add_argument("--tiny", action="store_true", help="the same with networks of no size, what is for GPUs too")
    parser.add_argument("--folder", type=Path, help="where to write models, of up to 7 GB (default: the system's)")
    return parser.parse_args()


class Bench:
    """One run: what is asked for, where its models are, and the figures so far."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.begin = time.monotonic()
        self.deadline = self.begin + 60 * options.limit_minutes
        self.sizes = sizes(options.tiny)
        self.results: dict[str, Any] = {"machine": machine(), "repeats": options.repeats, "tiny": options.tiny}
        self.results |= {"steps": [], "GPU": "not measured", "left out": []}

    def parts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What there is to measure, by name."""
        for kind, ways in (("eager", EAGER), ("compiled", COMPILED), ("frozen", (FROZEN,))):
            for size in ("SD 1.5", "65 M"):
                for dtype in DTYPES:
                    yield f"{size}, {dtype}, {kind}", partial(self.steps, size, dtype, ways)
            if kind == "eager":
                yield "defaults", self.defaults
                yield "opening", self.open
        if torch.cuda.is_available() or self.options.tiny:
            for size in ("SD 1.5", "XL"):
                for side in SIDES:
                    yield f"GPU, {size}, {side}", partial(self.on_gpu, size, side)

    def go(self, name: str, part: Callable[[], None]) -> None:
        """Measure a part, or say why not."""
        if time.monotonic() > self.deadline:
            self.leave_out(name, "no time was left")
        else:
            try:
                part()
            except (LateError, LostError) as error:
                self.leave_out(name, str(error))
        self.save()

    def leave_out(self, what: str, why: str) -> None:
        """Print and keep what is not measured."""
        print(f"{what}: left out, {why}", flush=True)
        self.results["left out"].append({"what": what, "why": why})

    def save(self) -> None:
        """Write the figures so far."""
        if self.options.out:
            self.options.out.parent.mkdir(parents=True, exist_ok=True)
            self.options.out.write_text(json.dumps(self.results, indent=1) + "\n")

    def model(self, name: str) -> Path:
        """The folder of a random model, written when it is first asked for, by a process of its own for the memory that takes."""
        folder = self.folder / name.replace(" ", "-")
        if not folder.exists():
            process = multiprocessing.get_context("spawn").Process(target=write, args=(self.sizes[name], folder))
            process.start()
            process.join()
            if process.exitcode:
                raise LostError(f"the model {name} could not be written")
        return folder

    def race(self, first: Holding, others: Sequence[Holding], room: int, product: Call) -> Iterator[tuple[Figures, Timing]]:
        """The rows of contenders and the time of the product, group by group: `first` and as many as there is room for beside it."""
        with Process(first, self.deadline) as anchor:
            while others:
                group, others = others[:room], others[room:]
                with ExitStack() as stack:
                    members = [anchor]
                    for holding in group:
                        try:
                            members.append(stack.enter_context(Process(holding, self.deadline)))
                        except (LateError, LostError) as error:
                            self.leave_out(f"{holding.size}, {holding.dtype}, {holding.way}", str(error))
                    if len(members) == 1:
                        continue
                    timings, products = in_turns(members, self.options.repeats, self.deadline, product)
                for member, timing in timings.items():
                    pairs = zip(timing.seconds, timings[anchor].seconds, strict=True)
                    row: Figures = {"contender": member.holding.way, "size": first.size, "dtype": member.holding.dtype}
                    row |= {"median s": timing.median, "seconds": timing.seconds, **member.told}
                    yield row | {f"/ {first.way}": statistics.median(mine / its for mine, its in pairs)}, products

    def steps(self, size: str, dtype: str, ways: Sequence[str]) -> None:
        """One denoising step by each of `ways`, beside our eager one."""
        case = self.sizes[size].unet
        product, flops = matrix_product(DTYPES[dtype])
        first = Holding(way=EAGER[0], size=size, folder=str(self.model(size)), tiny=self.options.tiny, dtype=dtype)
        others = [replace(first, way=way) for way in ways if way != first.way]
        work, count = operations(case)
        room = together(2.2 * count * DTYPES[dtype].itemsize + SPARE, len(others))
        print(
            f"\n{size} ({count / 1e6:.0f} M parameters), {dtype}: one step is {work / 1e9:.2f} GFLOP, {room} beside ours at a time"
        )
        print(f"{'':34}{'ms':>9}{'range':>18}{'of matrix rate':>16}{'GFLOP/s':>9}{'/ ildm':>8}")
        for row, products in self.race(first, others, room, product):
            rate = flops / products.median
            seconds, share = row["seconds"], work / rate / row["median s"]
            between = f"{min(seconds) * 1e3:.1f}-{max(seconds) * 1e3:.1f}"
            print(
                f"{row['contender']:34}{row['median s'] * 1e3:9.1f}{between:>18}{share:16.0%}{rate / 1e9:9.0f}{row['/ ildm']:8.2f}",
                flush=True,
            )
            self.results["steps"].append(row | {"share of matrix rate": share, "matrix GFLOP/s": rate / 1e9})
            self.save()

    def defaults(self) -> None:
        """Whole images by each program's own default number format, and how far they are apart."""
        size = self.sizes["SD 1.5"]
        theirs = Holding(
            way="diffusers",
            size="SD 1.5",
            folder=str(self.model("SD 1.5")),
            tiny=self.options.tiny,
            image_side=size.image_side,
            num_steps=TINY_STEPS if self.options.tiny else CPU_STEPS,
            out=str(self.folder / "theirs.png"),
        )
        ours = replace(theirs, way="ildm", out=str(self.folder / "ours.png"))
        product, _ = matrix_product(torch.float32)
        rows = [row for row, _ in self.race(theirs, [ours], 1, product)]
        if len(rows) < 2:
            return
        trained = (
            ildm.load(TRAINED, device="cpu", dtype=dtype).generate("a red apple", seed=7)[0] for dtype in ("float32", None)
        )
        figures: Figures = {
            "our dtype": str(pick_dtype(None, torch.device("cpu"))),
            "steps": theirs.num_steps,
            "contenders": rows,
        }
        figures["images differ by"] = apart(Image.open(theirs.out), Image.open(ours.out))
        figures[f"{TRAINED}'s differ by"] = apart(*trained)
        self.results["defaults"] = figures
        slow, fast = (row["median s"] for row in rows)
        faster = 1 / rows[1]["/ diffusers"]
        print(
            f"\nOne image of {size.image_side} px, {theirs.num_steps} steps: diffusers' default {slow:.2f} s, ours {fast:.2f} s, "
        )
        print(
            f"{faster:.2f} times as fast: " + json.dumps({key: value for key, value in figures.items() if key != "contenders"})
        )

    def open(self) -> None:
        """Opening the U-Net's file, beside reading it."""
        path = self.model("SD 1.5") / "unet" / "diffusion_pytorch_model.safetensors"
        self.results["opening"] = opening(path, "SD 1.5", self.options.tiny, self.options.repeats)
        print(f"\nOpening: {json.dumps(self.results['opening'])}", flush=True)

    def on_gpu(self, size: str, side: int) -> None:
        """Whole images beside diffusers eager; in a rehearsal on the CPU."""
        first = Holding(
            way="diffusers",
            size=size,
            folder=str(self.model(size)),
            tiny=self.options.tiny,
            dtype="bfloat16",
            device="cuda" if torch.cuda.is_available() else "cpu",
            image_side=side // 8 if self.options.tiny else side,
            num_steps=TINY_STEPS if self.options.tiny else GPU_STEPS,
        )
        others = [replace(first, way=way) for way in WHOLE if way != first.way]
        if not isinstance(self.results["GPU"], list):
            self.results["GPU"] = []
        print(f"\n{size} on {first.device}, {first.image_side} px, {first.num_steps} steps, {first.dtype}")
        for row, _ in self.race(first, others, 1, lambda: None):
            print(f"{row['contender']:40}{row['median s']:9.3f} s{row['/ diffusers']:8.2f} of diffusers eager", flush=True)
            self.results["GPU"].append(row | {"side": first.image_side, "steps": first.num_steps, "device": first.device})
            self.save()


def operations(case: Case) -> tuple[float, int]:
    """Floating-point operations of one call of the plain graph, context projections included; and how many weights it has."""
    config = case.config
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network = UNet(config)
        context = torch.empty(BATCH, TOKENS, config.context_width or 1)
        network(torch.empty(BATCH, config.in_channels, case.side, case.side), torch.empty(BATCH), Conditioning(context=context))
    return float(counter.get_total_flops()), sum(parameter.numel() for parameter in network.parameters())


def together(need: float, wanted: int) -> int:
    """How many processes of `need` bytes fit into this machine's memory beside one more like them: at least 1."""
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    available = int(lines["MemAvailable"].split()[0]) * 1024
    return max(1, min(wanted, int(0.9 * available / need) - 1))


def apart(one: Image.Image, other: Image.Image) -> Figures:
    """How far two pictures differ, in 255ths."""
    first, second = (from_picture(picture.convert("RGB")).float() for picture in (one, other))
    difference = (first - second).abs()
    return {"largest": float(difference.max()), "mean": float(difference.mean())}


if __name__ == "__main__":
    main()
