"""Trains the shipped model on one GPU, by the clock: python tools/one_gpu --tokenizer FILE --seconds 700 --out FOLDER

Nothing waits for anything else: the cores draw scenes while the steps are compiled, all data stay on the GPU, and a step is one CUDA
graph. With --start MODEL the denoiser goes on from that model's weights and its first stage is taken as it is. What comes out,
`tools/one_gpu/assemble.py` puts together.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from clock import passed, say
from recipe import CELLS, recipe
from scenes import draw_scenes
from stage_one import FirstStage
from stage_two import SecondStage

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.conditioning.text import TextConditioner
from ildm.conditioning.tokenizer import Tokenizer
from ildm.data.concepts import all_concepts
from ildm.data.emoji_scenes import EmojiScenesConfig
from ildm.denoiser.unet import UNet
from ildm.training.alignment import SemanticHead
from ildm.training.stage_two import Networks
from parts import write_autoencoder


def main() -> None:
    options = _options()
    plan = recipe(options.channels, options.scenes)
    assert plan.text is not None and isinstance(plan.data, EmojiScenesConfig)
    tokenizer = Tokenizer.from_file(options.tokenizer, plan.text.max_tokens)
    scenes = draw_scenes(plan.data, tokenizer, CELLS, options.workers)
    device = torch.device(options.device)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)
    say(f"{len(scenes.images)} scenes are being drawn")

    autoencoder = Autoencoder(plan.autoencoder)
    networks = Networks(UNet(plan.denoiser), TextConditioner(plan.text, tokenizer))
    if options.start is not None:
        autoencoder = _start(options.start, networks)
    autoencoder.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    head = SemanticHead(plan.denoiser.channels[1], len(all_concepts()) + 1).to(device)
    # compiled on random data before there are any, so that what fails does so at once
    second = SecondStage(plan, networks.to(device), head, batch=options.second_batch, compiled=options.compile)
    second.prepare()
    first = FirstStage(plan, autoencoder, batch=options.first_batch, compiled=options.compile)
    if options.start is None:
        first.prepare()
    scenes.wait()
    images = torch.empty(scenes.images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), 8192):
        images[start : start + 8192] = torch.from_numpy(scenes.images[start : start + 8192]).to(device)
    say("the scenes are on the device")
    if options.start is None:
        first.train(images, options.first_seconds)
    latents, psnr = first.encode_all(images)
    write_autoencoder(options.out, autoencoder)
    del images
    second.take(latents, scenes)
    second.train(_seconds(options) - passed() - 12.0, options.out)
    facts = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "channels": options.channels,
        "scenes": options.scenes,
        "first": {"steps": first.steps, "batch": first.batch, "psnr": psnr},
        "second": {"steps": second.steps, "batch": second.batch, "returns": second.returns},
        "seconds": round(passed()),
    }
    (options.out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    say("finished")


def _start(path: str, networks: Networks) -> Autoencoder:
    """The weights of a model, as far as they fit: another vocabulary's text encoder begins anew."""
    from ildm.checkpoint.load import load

    model = load(path)
    networks.unet.load_state_dict({key: value.float() for key, value in model.unet.state_dict().items()})
    told, known = model.conditioner, networks.conditioner
    if (
        isinstance(told, TextConditioner)
        and isinstance(known, TextConditioner)
        and told.tokenizer.to_json() == known.tokenizer.to_json()
    ):
        known.load_state_dict({key: value.float() for key, value in told.state_dict().items()})
    return model.autoencoder.float()


def _seconds(options: argparse.Namespace) -> float:
    """For everything; a file beside what is written may say otherwise once it is known better."""
    told: Path = options.out / "seconds"
    return float(told.read_text(encoding="utf-8")) if told.exists() else options.seconds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="for everything")
    parser.add_argument("--start", help="a model to go on from")
    parser.add_argument("--first-seconds", type=float, default=140.0)
    parser.add_argument("--channels", type=int, default=8, help="of the latents")
    parser.add_argument("--scenes", type=int, default=500_000)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--first-batch", type=int, default=64)
    parser.add_argument("--second-batch", type=int, default=512)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    return parser.parse_args()


if __name__ == "__main__":
    main()
