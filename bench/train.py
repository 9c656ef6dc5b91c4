"""Samples per second of both training stages, beside the same graphs in a plain diffusers training loop.

    python bench/train.py --out bench/results/train.json

Both sides run in one process, turn and turn about, on the same cached inputs, in the same number format, with AdamW, gradient
clipping and an average of the weights. Medians over the turns; the ratio is ours over the peer's, turn by turn.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, UNet2DConditionModel
from diffusers.training_utils import EMAModel
from torch import nn

from ildm.autoencoder.autoencoder import Autoencoder
from ildm.autoencoder.discriminator import PatchDiscriminator
from ildm.autoencoder.loss import ReconstructionLossConfig, hinge_loss
from ildm.autoencoder.perceptual import perceptual_distance
from ildm.core.types import Conditioning
from ildm.denoiser.unet import UNet
from ildm.recipes import small
from ildm.training.denoising import CaptionedLatents, Networks
from ildm.training.stage_one import StageOne
from ildm.training.stage_two import StageTwo
from interleaved import machine, take_turns

CONTEXT = (48, 192)
Step = Callable[[int], None]


class GivenContext(nn.Module):
    """A conditioner that hands out one context: the peer has no text encoder, so neither side runs one."""

    def __init__(self, context: torch.Tensor) -> None:
        super().__init__()
        self.context = context

    def forward(self, prompts: list[str]) -> Conditioning:
        return Conditioning(context=self.context[: len(prompts)])


def our_stage_two(latents: torch.Tensor, context: torch.Tensor) -> Step:
    graph = replace(small.DENOISER, in_channels=8, out_channels=8, context_width=CONTEXT[1])
    config = replace(small.stage_two(steps=10_000), batch_size=len(latents), dropout=0.0)
    networks = Networks(UNet(graph), GivenContext(context))  # type: ignore[arg-type]
    task = StageTwo(config, networks, lambda _: iter(()), lambda _: None, lambda *_: None)
    return lambda step: void(task.train_step(step, CaptionedLatents(latents, [""] * len(latents))))


def their_stage_two(latents: torch.Tensor, context: torch.Tensor) -> Step:
    ours = small.DENOISER
    network = UNet2DConditionModel(
        in_channels=8,
        out_channels=8,
        block_out_channels=ours.channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=tuple(width // 32 for width in ours.channels),
        cross_attention_dim=CONTEXT[1],
    )
    scheduler = FlowMatchEulerDiscreteScheduler()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    average = EMAModel(network.parameters(), decay=0.999)

    def step(_: int) -> None:
        noise = torch.randn_like(latents)
        place = (torch.sigmoid(torch.randn(len(latents))) * 1000).long()
        sigma = scheduler.sigmas[place].reshape(-1, 1, 1, 1)
        noised = (1.0 - sigma) * latents + sigma * noise
        with torch.autocast("cpu", torch.bfloat16):
            output = network(noised, scheduler.timesteps[place], context).sample
        loss = F.mse_loss(output.float(), noise - latents)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(network.parameters())

    return step


STAGE_ONE = replace(small.AUTOENCODER, channels=(48, 96, 160, 160), fold=1)
TERMS: dict[str, ReconstructionLossConfig] = {
    "absolute error": ReconstructionLossConfig(backbone="none", discriminator_weight=0.0),
    "and perceptual": ReconstructionLossConfig(discriminator_weight=0.0),
    "and discriminator": ReconstructionLossConfig(discriminator_start=0),
}
"""Stage one's loss, one term more from line to line."""


def our_stage_one(images: torch.Tensor, loss: ReconstructionLossConfig) -> Step:
    config = replace(small.stage_one(steps=10_000), loss=loss, batch_size=len(images))
    task = StageOne(config, Autoencoder(STAGE_ONE), lambda _: iter(()), images[:2])
    return lambda step: void(task.train_step(step, images))


def their_stage_one(images: torch.Tensor, loss: ReconstructionLossConfig) -> Step:
    """diffusers' autoencoder in the loop that the published training code runs, with our perceptual network and discriminator."""
    network = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=STAGE_ONE.channels,
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=16,
        mid_block_add_attention=False,
    )
    last_layer = network.decoder.conv_out.weight
    perceptual = perceptual_distance(loss.backbone)
    judged = loss.discriminator_weight > 0
    discriminator = PatchDiscriminator(channels=32, num_layers=2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    critic_optimizer = torch.optim.AdamW(discriminator.parameters(), lr=1e-4)
    average = EMAModel(network.parameters(), decay=0.999)

    def judge(pictures: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return discriminator(pictures).float()

    def step(_: int) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            posterior = network.encode(images).latent_dist
            output = network.decode(posterior.sample()).sample
        output = output.float()
        error = (output - images).abs()
        if perceptual is not None:
            error = error + perceptual(output, images).reshape(-1, 1, 1, 1)
        likelihood = error.sum() / len(images)
        total = likelihood + 1e-6 * posterior.kl().mean()
        if judged:
            generator_loss = -judge(output).mean()
            (wanted,) = torch.autograd.grad(likelihood, last_layer, retain_graph=True)
            (given,) = torch.autograd.grad(generator_loss, last_layer, retain_graph=True)
            weight = (wanted.norm() / (given.norm() + 1e-4)).clamp(0, 1e4).detach()
            total = total + 0.5 * weight * generator_loss
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if judged:
            critic_optimizer.zero_grad()
            hinge_loss(judge(images), judge(output.detach())).backward()
            critic_optimizer.step()
        average.step(network.parameters())

    return step


def on_the_fly(images: torch.Tensor, context: torch.Tensor) -> Step:
    """Stage two with the images encoded in every step."""
    autoencoder = Autoencoder(small.AUTOENCODER).requires_grad_(False).eval()
    with torch.inference_mode():
        latents = autoencoder.encode(images)
    train = our_stage_two(latents.clone(), context)

    def step(number: int) -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            autoencoder.encode(images)
        train(number)

    return step


def void(_: object) -> None:
    """Drop a result."""


def compare(title: str, sides: dict[str, Step], batch: int, turns: int) -> dict[str, object]:
    """Time two sides, ours first, and print their line."""
    (ours, theirs), numbers = list(sides), count()
    calls = {name: partial(counted, step, numbers) for name, step in sides.items()}
    timings = take_turns(calls, turns)
    ratios = [b / a for a, b in zip(timings[ours].seconds, timings[theirs].seconds, strict=True)]
    rates = {name: batch / timing.median for name, timing in timings.items()}
    shown = "   ".join(f"{name} {rate:6.1f}" for name, rate in rates.items())
    print(f"{title:28}{shown}   ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)
    return {"title": title, "batch": batch, "samples_per_second": rates, "ratio": statistics.median(ratios), "ratios": ratios}


def counted(step: Step, numbers: Iterator[int]) -> None:
    """Train on the next step number."""
    step(next(numbers))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15, help="steps per side")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    options = parser.parse_args()
    torch.manual_seed(0)
    latents, context = torch.randn(64, 8, 16, 16), torch.randn(64, *CONTEXT)
    crops, images = torch.rand(16, 3, 64, 64) * 2 - 1, torch.rand(64, 3, 128, 128) * 2 - 1
    print(f"{json.dumps(machine())}\nbfloat16 autocast, samples per second, medians of {options.turns} turns")
    pairs = {
        **{
            f"stage one, {name}": ({"ildm": our_stage_one(crops, loss), "diffusers": their_stage_one(crops, loss)}, 16)
            for name, loss in TERMS.items()
        },
        "stage two, 8x16x16 latents": (
            {"ildm": our_stage_two(latents, context), "diffusers": their_stage_two(latents, context)},
            64,
        ),
        "stage two, cached latents": (
            {"cached": our_stage_two(latents, context), "on the fly": on_the_fly(images, context)},
            64,
        ),
    }
    results = [compare(title, sides, batch, options.turns) for title, (sides, batch) in pairs.items()]
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
