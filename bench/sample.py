"""How fast we denoise: one step and whole images, beside the same graph in diffusers and the machine's matrix-product rate.

python bench/sample.py --out bench/results/sample.json
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import ildm
from ildm.core.types import Conditioning
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.inference import frozen_program, prepare
from ildm.denoiser.unet import UNet
from interleaved import Call, Timing, machine, matrix_product, take_turns
from peer import peer_of

BATCH, TOKENS = 2, 77
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
KINDS = {
    "convolution": ("convolution",),
    "matrix product": ("linear", "addmm", "aten::mm", "bmm"),
    "attention": ("attention",),
    "norm": ("norm",),
    "activation": ("silu", "gelu"),
    "copy": ("copy", "cat", "clone"),
}

Network = Callable[[Tensor, Tensor, Conditioning], Tensor]
Row = dict[str, object]


@dataclass(frozen=True)
class Case:
    """What is denoised: a graph, and the side of its latents."""

    config: UNetConfig
    side: int

    def inputs(self, dtype: torch.dtype) -> tuple[Tensor, Conditioning]:
        """Noised latents and a context of random numbers."""
        generator = torch.Generator().manual_seed(0)
        noised = torch.randn(BATCH, self.config.in_channels, self.side, self.side, generator=generator).to(dtype)
        context = torch.randn(BATCH, TOKENS, self.config.context_width or 1, generator=generator).to(dtype)
        return noised, Conditioning(context=context)

    def describe(self, network: UNet) -> str:
        """In one line."""
        size = sum(parameter.numel() for parameter in network.parameters())
        grid = f"{BATCH}x{self.config.in_channels}x{self.side}x{self.side}"
        return f"U-Net of {size / 1e6:.1f} M parameters, latents {grid}, context {BATCH}x{TOKENS}x{self.config.context_width}"


SMALL = Case(UNetConfig(channels=(128, 256, 384), depths=(0, 1, 1), head_width=64, context_width=384), 16)


def main() -> None:
    options = read_options()
    torch.manual_seed(0)
    network = awake(UNet(SMALL.config)).eval()
    print(SMALL.describe(network))
    results: dict[str, Any] = {"machine": machine(), "network": SMALL.describe(network), "turns": options.turns}
    results["steps"] = []
    for name, dtype in DTYPES.items():
        ways = our_ways(network, dtype, options.compiled) | their_ways(network, dtype, options.compiled)
        results["steps"] += one_step(SMALL, network, name, options.turns, ways)
    results["where the time goes"] = {name: shares(SMALL, network, dtype) for name, dtype in DTYPES.items()}
    if options.model:
        results["images"] = whole_images(options.model, options.turns)
    results["load average after"] = machine()["load average"]
    print(json.dumps(results["machine"]))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--turns", type=int, default=15, help="timed calls per contender (default: 15)")
    parser.add_argument("--eager", dest="compiled", action="store_false", help="leave torch.compile out")
    parser.add_argument("--model", help="a model to draw whole images with, such as emoji-scenes")
    return parser.parse_args()


def one_step(case: Case, network: UNet, dtype_name: str, turns: int, ways: dict[str, Network]) -> list[Row]:
    """Ways to take one denoising step in one number format, taking turns; the peer's names begin with "diffusers"."""
    dtype = DTYPES[dtype_name]
    product, product_flops = matrix_product(dtype)
    contenders: dict[str, Call] = {"matrix product": product}
    contenders |= {name: step(case, contender, dtype) for name, contender in ways.items()}
    timings = take_turns(contenders, turns)
    rate = product_flops / timings.pop("matrix product").median
    best_peer = min(timing.median for name, timing in timings.items() if name.startswith("diffusers"))
    work = operations(case, network)
    print(f"\n{dtype_name}: matrix products at {rate / 1e9:.0f} GFLOP/s; one step is {work / 1e9:.2f} GFLOP")
    print(f"{'':34}{'ms':>8}{'quartiles':>16}{'of matrix rate':>16}{'peer best / this':>18}")
    return [report(dtype_name, name, timing, work / rate, best_peer) for name, timing in timings.items()]


def our_ways(network: UNet, dtype: torch.dtype, compiled: bool) -> dict[str, Network]:
    ways: dict[str, Network] = {"ildm": prepare(network, dtype=dtype)}
    if compiled:
        ways["ildm, compiled"] = prepare(network, dtype=dtype, compiled=True)
    return ways


def their_ways(network: UNet, dtype: torch.dtype, compiled: bool) -> dict[str, Network]:
    ways: dict[str, Network] = {
        "diffusers": peer_of(network, dtype=dtype),
        "diffusers, channels last": peer_of(network, dtype=dtype).to(memory_format=torch.channels_last),
    }
    if compiled:
        ways["diffusers, compiled"] = torch.compile(peer_of(network, dtype=dtype))
        ways["diffusers, compiled and frozen"] = frozen_program(peer_of(network, dtype=dtype))
    return ways


def step(case: Case, network: Network, dtype: torch.dtype) -> Call:
    """One call with inputs made once, as a sampler's loop has them."""
    noised, conditioning = case.inputs(dtype)
    times = torch.tensor([500.0, 500.0])

    def call() -> Tensor:
        with torch.no_grad():
            return network(noised, times, conditioning)

    return call


def operations(case: Case, network: UNet) -> float:
    """Floating-point operations of one call of the plain graph, context projections included."""
    with FlopCounterMode(display=False) as counter:
        step(case, network, torch.float32)()
    return float(counter.get_total_flops())


def report(dtype_name: str, name: str, timing: Timing, ideal: float, best_peer: float) -> Row:
    """Print and return one contender's row."""
    low, high = timing.quartiles
    quartiles = f"{low * 1e3:.1f}-{high * 1e3:.1f}"
    share, ratio = ideal / timing.median, best_peer / timing.median
    print(f"{name:34}{timing.median * 1e3:8.1f}{quartiles:>16}{share:16.0%}{ratio:18.2f}")
    row: Row = {"dtype": dtype_name, "contender": name, "median ms": timing.median * 1e3, "share of matrix rate": share}
    return row | {"peer best / this": ratio, "seconds": timing.seconds}


def shares(case: Case, network: UNet, dtype: torch.dtype) -> dict[str, float]:
    """How the prepared network's time divides among kinds of work."""
    call = step(case, prepare(network, dtype=dtype), dtype)
    for _ in range(3):
        call()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        call()
    spent: dict[str, float] = defaultdict(float)
    for event in profiler.key_averages():
        kind = next((kind for kind, parts in KINDS.items() if any(part in event.key for part in parts)), "rest")
        spent[kind] += event.self_cpu_time_total
    total = sum(spent.values())
    divided = {kind: value / total for kind, value in sorted(spent.items(), key=lambda item: -item[1])}
    print(f"\n{dtype}, prepared: " + ", ".join(f"{kind} {share:.0%}" for kind, share in divided.items()))
    return divided


def whole_images(name: str, turns: int) -> list[Row]:
    """Seconds per image of a whole model, with our U-Net and with diffusers' in its place."""
    model = ildm.load(name, device="cpu", dtype="float32")
    theirs = replace(model)
    vars(theirs)["_network"] = peer_of(model.unet)  # where a model keeps its prepared U-Net
    contenders: dict[str, Call] = {
        way: partial(drawer.generate, "a red apple on a plain blue background", seed=7)
        for way, drawer in {"ildm": model, "diffusers": theirs}.items()
    }
    timings = take_turns(contenders, max(3, turns // 3), warmups=1)
    print(f"\nOne image with {name}, {model.manifest.defaults.num_steps} steps, from prompt to pixels, float32")
    for way, timing in timings.items():
        print(f"{way:34}{timing.median:8.2f} s")
    return [{"U-Net": way, "median s": timing.median, "seconds": timing.seconds} for way, timing in timings.items()]


def awake(network: UNet) -> UNet:
    """Random values where a fresh network has zeros, which some kernels take shortcuts for."""
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return network


if __name__ == "__main__":
    main()
