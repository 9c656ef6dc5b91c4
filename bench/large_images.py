"""What coding an image of 1024x1024 takes: whole, in strips, and in diffusers' tiles, each in a process of its own.

    python bench/large_images.py --out bench/results/large_images.json

The first stage is Stable Diffusion's graph with random weights; memory and rounding do not depend on them. Latents are those of a
drawn picture, and smooth noise. Against the whole result: the difference, in steps of 1/255 (of latents in percent of their standard
deviation), and how much stronger gradients are across the borders of strips or tiles than elsewhere, whole = 1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.config import AutoencoderConfig
from ildm.autoencoder.tiling import STRIP, in_strips
from interleaved import machine

CONFIG = AutoencoderConfig(channels=(128, 256, 512, 512), num_res_blocks=2, latent_channels=4)
WAYS = ("whole", "strips", "diffusers, tiled")
TASKS = {"encode": "picture", "decode": "latents of the picture", "decode noise": "smooth noise"}
TILE = 384  # pixels from one of diffusers' tiles to the next, by default
Row = dict[str, object]


def main() -> None:
    options = read_options()
    if options.child:
        task, way = options.child
        print(json.dumps(measure(task, way, options.side, options.folder)))
        return
    results: dict[str, object] = {"machine": machine(), "side": options.side}
    print(
        f"{options.side}x{options.side} pixels, float32, {torch.get_num_threads()} threads; memory of the process and its rise"
    )
    print(f"{'':14}{'':18}{'s':>8}{'CPU s':>8}{'MiB':>8}{'rise':>8}{'largest / mean difference':>28}{'at borders':>12}")
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        results["rows"] = [in_own_process(task, way, options.side, folder) for task in options.tasks for way in options.ways]
    results["machine after"] = machine()
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    parser.add_argument("--side", type=int, default=1024, help="of the image, in pixels (default: 1024)")
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS, help="only these; whole comes first")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS), help="only these")
    parser.add_argument("--folder", type=Path, help="where to keep the coded images (default: nowhere)")
    parser.add_argument("--child", nargs=2, metavar=("TASK", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


def in_own_process(task: str, way: str, side: int, folder: Path) -> Row:
    """Run one task in a fresh process, whose peak of memory is then its own, and print its row."""
    arguments = ["--child", task, way, "--side", str(side), "--folder", str(folder)]
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, check=True, text=True)
    row: Row = json.loads(done.stdout.splitlines()[-1])
    figures = f"{row['seconds']:8.1f}{row['CPU seconds']:8.1f}{row['peak MiB']:8.0f}{row['rise MiB']:8.0f}"
    whole = coded(folder, task, "whole")
    if whole.exists():
        row |= compare(torch.load(coded(folder, task, way)), torch.load(whole), way, side)
        borders = f"{row['at borders']:.3f}" if "at borders" in row else ""
        figures += f"{row['largest difference']:18.4f} /{row['mean difference']:8.4f}{borders:>12}"
    print(f"{task:14}{way:18}{figures}", flush=True)
    return row


def measure(task: str, way: str, side: int, folder: Path) -> Row:
    """Do one task, keep its result for comparing, and say what it took."""
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    autoencoder = Autoencoder(CONFIG).eval().requires_grad_(False)
    values = inputs(task, side, folder)
    code = ways(autoencoder, way)[task.split()[0]]
    before, begin, processor = peak(), time.perf_counter(), time.process_time()
    with torch.no_grad():
        result = code(values)
    figures = {"seconds": time.perf_counter() - begin, "CPU seconds": time.process_time() - processor}
    torch.save(result, coded(folder, task, way))
    return {"task": task, "way": way, **figures, "peak MiB": peak(), "rise MiB": peak() - before}


def ways(autoencoder: Autoencoder, way: str) -> dict[str, Callable[[Tensor], Tensor]]:
    if way == "diffusers, tiled":
        return peer_of(autoencoder)
    coder = in_strips(autoencoder) if way == "strips" else autoencoder
    return {"encode": coder.encode, "decode": coder.decode}


def peer_of(autoencoder: Autoencoder) -> dict[str, Callable[[Tensor], Tensor]]:
    """diffusers' twin, which codes tiles of 512 pixels apart and blends a quarter of each."""
    from diffusers import AutoencoderKL

    from ildm.checkpoint.autoencoder_layout import diffusers_autoencoder
    from ildm.checkpoint.diffusers_autoencoder import autoencoder_to_diffusers
    from ildm.checkpoint.layout import write_layout

    fields = autoencoder_to_diffusers(autoencoder.config, autoencoder.latent_space, sample_size=512)
    with torch.device("meta"):
        twin = AutoencoderKL.from_config(fields)
    weights = write_layout(diffusers_autoencoder(autoencoder.config), autoencoder.state_dict())
    twin.load_state_dict(weights, assign=True)
    twin.eval().enable_tiling()
    return {
        "encode": lambda images: twin.encode(images).latent_dist.mean,
        "decode": lambda latents: twin.decode(latents).sample.clamp(-1.0, 1.0),
    }


def inputs(task: str, side: int, folder: Path) -> Tensor:
    """The picture in [-1, 1], or latents (1, 4, side / 8, side / 8): those of the picture where it has been encoded."""
    if task == "encode":
        return picture(side)
    encoded = coded(folder, "encode", "strips")
    if task == "decode" and encoded.exists():
        latents = torch.load(encoded)
        return (latents - latents.mean()) / latents.std()
    noise = torch.randn(1, CONFIG.latent_channels, side // 64, side // 64, generator=torch.Generator().manual_seed(1))
    smooth = F.interpolate(noise, size=side // CONFIG.stride, mode="bicubic")
    return smooth / smooth.std()


def picture(side: int) -> Tensor:
    """Discs before a sky that pales towards the ground, a field of stripes below."""
    down, right = torch.meshgrid(torch.linspace(0, 1, side), torch.linspace(0, 1, side), indexing="ij")
    colours = torch.stack([0.2 + 0.6 * down, 0.4 + 0.5 * down, 1.0 - 0.2 * down])
    colours[:, down > 0.7] = torch.stack([0.3 + 0.2 * torch.sin(80 * right), 0.6 + 0.1 * torch.sin(30 * down), 0.2 * right])[
        :, down > 0.7
    ]
    for number in range(12):
        centre = torch.rand(3, generator=torch.Generator().manual_seed(number))
        inside = (down - centre[0]).square() + (right - centre[1]).square() < (0.03 + 0.1 * centre[2]) ** 2
        colours[:, inside] = centre[:, None]
    return (colours * 2 - 1)[None]


def compare(result: Tensor, whole: Tensor, way: str, side: int) -> Row:
    """How far a result is from the whole one, and its gradients at borders against those elsewhere."""
    is_image = result.shape[-1] == side
    difference = (result - whole).abs() * (127.5 if is_image else 100 / whole.std())
    row: Row = {"largest difference": difference.max().item(), "mean difference": difference.mean().item()}
    height = TILE if way == "diffusers, tiled" else STRIP // (CONFIG.channels[1] * side)
    if is_image and height < side:
        row["at borders"] = border_gradient(result, height) / border_gradient(whole, height)
    return row


def border_gradient(image: Tensor, distance: int) -> float:
    """The mean change from row to row across every `distance`th border, over that across all others."""
    change = image.diff(dim=2).abs().mean(dim=(0, 1, 3))
    at_border = torch.arange(1, image.shape[2]) % distance == 0
    return (change[at_border].mean() / change[~at_border].mean()).item()


def coded(folder: Path, task: str, way: str) -> Path:
    return folder / f"{task}-{way}.pt"


def peak() -> float:
    """The most memory this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
