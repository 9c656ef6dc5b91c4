"""A process that holds one model and takes a turn when it is told to: what it holds is gone when it ends.

Started by `peers.py`, with a JSON object that says what to hold. It answers in lines of JSON: once when it is ready, then to each
line it is sent, until there are none.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
from PIL import Image
from torch import Tensor

import ildm
from ildm.checkpoint.diffusers_folder import find_weights
from ildm.checkpoint.layout import fill_by_layout
from ildm.checkpoint.unet_layout import diffusers_unet
from ildm.core.randomness import sample_noise
from ildm.denoiser.inference import frozen_program, prepare
from ildm.denoiser.unet import UNet
from peer import Peer
from published import sizes
from sample import DTYPES, Network, step

Turn = Callable[[], object]
Draw = Callable[[int], Image.Image]
PROMPT, SEED, GUIDANCE = "a lighthouse at dusk", 7, 7.5
EAGER, COMPILED = ("ildm", "diffusers", "diffusers, channels last"), ("ildm, compiled", "diffusers, compiled")
FROZEN = "diffusers, compiled and frozen"
WHOLE = (
    "ildm",
    "ildm, compiled",
    "ildm, CUDA graphs",
    "diffusers",
    "diffusers, compiled and channels last",
    "diffusers, CUDA graphs",
)


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a process holds.

    Args:
        way: one of `EAGER`, `COMPILED`, `FROZEN` for a step; of `WHOLE` for whole images.
        size: which of the published ones, `tiny` or not.
        folder: the model.
        dtype: by name; None = the program's own default.
        device: by name.
        image_side: of whole images, pixels; None = a turn is one step of the U-Net alone.
        num_steps: of whole images.
        out: where each whole image is written, for comparison.
    """

    way: str
    size: str
    folder: str
    tiny: bool = False
    dtype: str | None = None
    device: str = "cpu"
    image_side: int | None = None
    num_steps: int = 4
    out: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def main() -> None:
    # libraries print what they like; the answers have a channel of their own
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    holding = Holding(**json.loads(sys.argv[1]))
    begin = time.perf_counter()
    warm_up, turn = hold(holding)
    warm_up()
    tell(answers, {"ready after s": time.perf_counter() - begin, "peak bytes": peak_bytes()})
    for _ in sys.stdin:
        begin = time.perf_counter()
        made = turn()
        if holding.device == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - begin
        if isinstance(made, Image.Image) and holding.out:
            made.save(holding.out)
        tell(answers, {"seconds": seconds, "peak bytes": peak_bytes()})


def hold(holding: Holding) -> tuple[Turn, Turn]:
    """Make the model: what a turn is, and what is done once before the first."""
    warnings.simplefilter("ignore")
    if holding.image_side is None:
        case = sizes(holding.tiny)[holding.size].unet
        dtype = DTYPES[holding.dtype or "float32"]
        turn = step(case, network(holding, dtype), dtype)
        return turn, turn
    draw = (whole_of_ours if holding.way.startswith("ildm") else whole_of_theirs)(holding)
    # CUDA graphs are recorded at the second call
    return partial(draw, 1 if holding.device == "cpu" else 3), partial(draw, holding.num_steps)


def network(holding: Holding, dtype: torch.dtype) -> Network:
    """The U-Net, called as ours is."""
    folder = Path(holding.folder) / "unet"
    if holding.way.startswith("ildm"):
        config = sizes(holding.tiny)[holding.size].unet.config
        with torch.device("meta"):
            ours = UNet(config)
        fill_by_layout(ours, diffusers_unet(config), find_weights(folder))
        return prepare(ours.to(dtype), compiled="compiled" in holding.way)
    from diffusers import UNet2DConditionModel

    peer = Peer(UNet2DConditionModel.from_pretrained(folder, torch_dtype=dtype).eval())
    if "channels last" in holding.way:
        peer = peer.to(memory_format=torch.channels_last)
    if "frozen" in holding.way:
        return frozen_program(peer)
    return torch.compile(peer) if "compiled" in holding.way else peer


def whole_of_ours(holding: Holding) -> Draw:
    """Prompt to picture by `Model.generate`."""
    if "graphs" in holding.way:
        from torch._inductor import config

        config.triton.cudagraphs = True
    compiled = holding.way != "ildm"
    model = ildm.load(holding.folder, device=holding.device, dtype=holding.dtype, compiled=compiled)
    side, start = holding.image_side, start_noise(holding)

    def draw(num_steps: int) -> Image.Image:
        return model.generate(
            PROMPT,
            num_steps=num_steps,
            guidance_scale=GUIDANCE,
            seed=SEED,
            initial_noise=start,
            width=side,
            height=side,
        )[0]

    return draw


def whole_of_theirs(holding: Holding) -> Draw:
    """Prompt to picture by diffusers' pipeline, as it comes or at its best."""
    from diffusers import DiffusionPipeline

    # its default is float32, said here because the text encoder would follow the file, which is in float16
    dtype = DTYPES[holding.dtype or "float32"]
    pipeline: Any = DiffusionPipeline.from_pretrained(holding.folder, torch_dtype=dtype).to(holding.device)
    pipeline.set_progress_bar_config(disable=True)
    if holding.way != "diffusers":
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
        pipeline.fuse_qkv_projections()
        mode = "reduce-overhead" if "graphs" in holding.way else "max-autotune-no-cudagraphs"
        mode = mode if holding.device == "cuda" else None
        pipeline.unet = torch.compile(pipeline.unet, mode=mode, fullgraph=True)
        pipeline.vae.decode = torch.compile(pipeline.vae.decode, mode=mode, fullgraph=True)
    start, side = start_noise(holding).to(dtype), holding.image_side

    def draw(num_steps: int) -> Image.Image:
        steps = {"num_inference_steps": num_steps, "guidance_scale": GUIDANCE}
        return pipeline(PROMPT, negative_prompt="", latents=start.clone(), width=side, height=side, **steps).images[0]

    return draw


def start_noise(holding: Holding) -> Tensor:
    """The same for all."""
    size = sizes(holding.tiny)[holding.size]
    assert holding.image_side is not None
    side = holding.image_side // size.autoencoder.stride
    return sample_noise([SEED], 0, (size.autoencoder.latent_channels, side, side))


def tell(answers: Any, answer: dict[str, float]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def peak_bytes() -> int:
    """The most memory that this process has had, mapped files included; unlike getrusage's, not its parent's."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


if __name__ == "__main__":
    main()
