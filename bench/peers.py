"""Stable Diffusion beside diffusers on this CPU: one denoising step at full size, our default against theirs, and opening a file.

python bench/peers.py --out bench/results/peers.json

Weights are random: speed does not depend on them. Steps take about 12 s each; stop everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ildm.checkpoint.layout import fill_by_layout, write_layout
from ildm.checkpoint.tensors import save_tensors
from ildm.checkpoint.unet_layout import ldm_unet
from ildm.checkpoint.weights import open_weights
from ildm.core.device import pick_dtype
from ildm.denoiser.config import UNetConfig
from ildm.denoiser.inference import prepare
from ildm.denoiser.unet import UNet
from interleaved import machine, take_turns
from peer import peer_of
from sample import DTYPES, SMALL, Case, Network, Row, awake, one_step, step

SD_15 = Case(
    UNetConfig(channels=(320, 640, 1280, 1280), res_blocks=(2,) * 4, depths=(1, 1, 1, 0), heads=(8,) * 4, context_width=768), 64
)
CASES = {"SD 1.5": SD_15, "65 M": SMALL}


def main() -> None:
    options = read_options()
    if options.open is not None:
        return open_once(options.open)
    results: dict[str, Any] = {"machine": machine(), "turns": options.turns, "GPU": "not measured"}
    case = CASES[options.case]
    network = random_network(case)
    print(case.describe(network))
    results["network"] = case.describe(network)
    results["steps"] = []
    for name, dtype in DTYPES.items():
        results["steps"] += one_step(case, network, name, options.turns, ways(network, dtype, options.compiled))
    results["defaults"] = defaults(case, network, options.turns)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        results["opening"] = opening(network, Path(folder) / "unet.safetensors", options.turns)
    results["load average after"] = machine()["load average"]
    print(json.dumps(results["machine"]))
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")
    return None


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--turns", type=int, default=5, help="timed calls per contender (default: 5)")
    parser.add_argument("--case", choices=CASES, default="SD 1.5")
    parser.add_argument("--eager", dest="compiled", action="store_false", help="leave torch.compile out")
    parser.add_argument("--folder", type=Path, help="where to write a file to open again (default: the system's)")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def random_network(case: Case) -> UNet:
    torch.manual_seed(0)
    return awake(UNet(case.config)).requires_grad_(False).eval()


def ways(network: UNet, dtype: torch.dtype, compiled: bool) -> dict[str, Network]:
    """As many ways as fit into memory beside each other; the peer's compiled one shares its weights with the plain one."""
    peer = peer_of(network, dtype=dtype)
    found: dict[str, Network] = {
        "ildm": prepare(network, dtype=dtype),
        "diffusers": peer,
        "diffusers, channels last": peer_of(network, dtype=dtype).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
    }
    if compiled:
        found["diffusers, compiled"] = torch.compile(peer)
    return found


def defaults(case: Case, network: UNet, turns: int) -> Row:
    """Our default number format on this CPU against diffusers', which is float32 as it comes; and how far the outputs differ."""
    dtype = pick_dtype(None, torch.device("cpu"))
    ours, theirs = prepare(network, dtype=dtype), peer_of(network)
    calls = {"ildm": step(case, ours, torch.float32), "diffusers": step(case, theirs, torch.float32)}
    timings = take_turns(calls, turns, warmups=1)
    ratio = timings["diffusers"].median / timings["ildm"].median
    actual, expected = (call() for call in calls.values())
    assert isinstance(actual, torch.Tensor) and isinstance(expected, torch.Tensor)
    difference = float((actual - expected).norm() / expected.norm())
    print(
        f"\nOur default ({dtype}) is {ratio:.2f} times diffusers' (float32); outputs differ by {difference:.2e} of their norm"
    )
    return {"dtype": str(dtype), "diffusers / ildm": ratio, "relative difference of one output": difference}


def opening(network: nn.Module, path: Path, turns: int) -> Row:
    """Opening the U-Net's file in fresh processes, beside reading its bytes once; both out of the page cache."""
    save_tensors(path, write_layout(ldm_unet(SD_15.config), network.state_dict()), torch.float16)
    size = path.stat().st_size
    opened, read, peaks = [], [], []
    for _ in range(turns):
        forget(path)
        begin = time.perf_counter()
        with path.open("rb", buffering=0) as file:
            buffer = bytearray(1 << 24)
            while file.readinto(buffer):
                pass
        read.append(time.perf_counter() - begin)
        forget(path)
        told = subprocess.run([sys.executable, __file__, "--open", str(path)], capture_output=True, text=True, check=True)
        figures = json.loads(told.stdout)
        opened.append(figures["seconds"])
        peaks.append(figures["peak bytes"])
    opened.sort()
    read.sort()
    row: Row = {"bytes": size, "open s": opened[turns // 2], "read s": read[turns // 2], "peak bytes": max(peaks)}
    row["open / read"] = opened[turns // 2] / read[turns // 2]
    print(
        f"\nOpening {size / 1e9:.2f} GB: {row['open s']:.2f} s, reading it once {row['read s']:.2f} s; peak {max(peaks) / 1e9:.2f} GB"
    )
    return row


def open_once(path: Path) -> None:
    """In a process of its own: the seconds that it takes, and the memory beyond what the process had before."""
    with torch.device("meta"):
        network = UNet(SD_15.config)
    before = peak_bytes()
    begin = time.perf_counter()
    fill_by_layout(network, ldm_unet(SD_15.config), open_weights(path))
    seconds = time.perf_counter() - begin
    sys.stdout.write(json.dumps({"seconds": seconds, "peak bytes": peak_bytes() - before}))


def forget(path: Path) -> None:
    """Take a file out of the page cache, so that it is read from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_bytes() -> int:
    """The most memory that this process has had, mapped files included; unlike getrusage's, not its parent's."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
