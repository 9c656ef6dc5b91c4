"""What it takes to open a file of a U-Net's weights, beside reading its bytes once; both out of the page cache, in fresh processes.

python bench/opening.py FILE CASE    opens it once, and tells the seconds and bytes as JSON
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

from contender import peak_bytes
from ildm.checkpoint.layout import fill_by_layout
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.checkpoint.weights import open_weights
from ildm.denoiser.unet import UNet
from published import sizes
from sample import Row


def opening(path: Path, size: str, tiny: bool, turns: int) -> Row:
    """Open and read a file in turn.

    Args:
        path: a U-Net's file in diffusers' layout.
        size, tiny: which of the published ones it is.
    """
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
        command = [sys.executable, __file__, str(path), size, *(["tiny"] if tiny else [])]
        figures = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        opened.append(figures["seconds"])
        peaks.append(figures["peak bytes"])
    row: Row = {"bytes": path.stat().st_size, "open s": statistics.median(opened), "read s": statistics.median(read)}
    return row | {"open / read": statistics.median(opened) / statistics.median(read), "peak bytes": max(peaks)}


def open_once(path: Path, size: str, tiny: bool) -> Row:
    """The seconds that it takes, and the memory beyond what the process had before."""
    config = sizes(tiny)[size].unet.config
    with torch.device("meta"):
        network = UNet(config)
    before, begin = peak_bytes(), time.perf_counter()
    fill_by_layout(network, diffusers_unet(config), open_weights(path))
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "peak bytes": peak_bytes() - before}


def forget(path: Path) -> None:
    """Take a file out of the page cache, so that it is read from the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(open_once(Path(sys.argv[1]), sys.argv[2], "tiny" in sys.argv[3:])))
