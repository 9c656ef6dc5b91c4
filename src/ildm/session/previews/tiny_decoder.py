"""A tiny decoder for previews, distilled from a model's own: a few convolutions at the latent's resolution, then pixel shuffles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ildm.core.errors import ConfigError, ShapeError
from ildm.core.progress import Progress
from ildm.core.types import Image, Latent
from ildm.session.preview import MOST_CHANNELS, FittedPreview, shrunk

CROP = 16
"""Side of the crops trained on, latent cells: larger latents teach nothing more per second."""
LEARNING_RATE, WARM_UP = 3e-3, 50
BATCH = 16
EDGES = 0.5
"""Weight of the gradient loss beside the absolute error: without it edges come out soft."""


@dataclass(frozen=True, kw_only=True)
class TinyDecoderConfig:
    """The graph of a tiny decoder.

    Args:
        channels: of the latent, 1 to 64.
        scale: pixels per latent cell and side: 1, 2, 4 or 8. Half of the stride is a good measure: a preview is looked at, not kept.
        width: features at the latent's resolution, 1 to 128.
        depth: convolutions between them, 0 to 8.
        fine: features at twice the resolution, where there are any, 1 to 128.
    """

    channels: int
    scale: int = 4
    width: int = 32
    depth: int = 2
    fine: int = 16

    def __post_init__(self) -> None:
        sizes = (self.channels, self.width, self.fine)
        if min(sizes) < 1 or max(self.width, self.fine) > 128 or self.channels > MOST_CHANNELS or not 0 <= self.depth <= 8:
            raise ConfigError(
                f"A tiny decoder takes 1 to {MOST_CHANNELS} channels, a width and fine of 1 to 128 and a depth of 0 to 8, but "
                f"{self.channels}, {self.width}, {self.fine} and {self.depth} were given."
            )
        if self.scale not in (1, 2, 4, 8):
            raise ConfigError(f"A tiny decoder makes 1, 2, 4 or 8 pixels of a latent cell's side, but {self.scale} was given.")


class TinyDecoder(FittedPreview):
    """Normalised latents (batch, channels, h, w) to images (batch, 3, h * scale, w * scale).

    Nearly all of its products are at the latent's resolution, where an image of 128 pixels has 256 positions.
    """

    kind: ClassVar[str] = "tiny"
    Config: ClassVar[type[TinyDecoderConfig]] = TinyDecoderConfig

    def __init__(self, config: TinyDecoderConfig) -> None:
        super().__init__()
        self.config = config
        # pixel shuffles by 2 and then by what is left; a scale of 2 or less has one only
        first, last = (2, config.scale // 2) if config.scale > 2 else (1, config.scale)
        fine = config.fine if first > 1 else config.width
        self.stem = _convolution(config.channels, config.width)
        self.body = nn.ModuleList(_convolution(config.width, config.width) for _ in range(config.depth))
        self.rise = _convolution(config.width, fine * first**2)
        self.head = _convolution(fine, 3 * last**2)
        self.first, self.last = nn.PixelShuffle(first), nn.PixelShuffle(last)

    def images(self, latents: Latent) -> Image:
        """See `FittedPreview`."""
        self._check(latents)
        x = F.relu(self.stem(latents))  # (B, width, h, w)
        for layer in self.body:
            x = F.relu(layer(x))
        x = F.relu(self.first(self.rise(x)))  # (B, fine, 2h, 2w)
        return self.last(self.head(x))  # (B, 3, scale h, scale w)


def distil(
    latents: Latent,
    images: Image,
    *,
    config: TinyDecoderConfig,
    steps: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> TinyDecoder:
    """Teach a tiny decoder what another decoder makes of latents: absolute error and edges, on random crops, by Adam.

    Args:
        latents: normalised, (count, channels, h, w).
        images: what they decode to, in [-1, 1]; averaged to the tiny decoder's resolution.
        steps: updates of 16 crops each, >= 1.
        seed: of the first weights and of the crops. Nobody else's random numbers are touched.
        progress: called after each step with (done, all).

    Raises:
        ConfigError: for less than one step.
        ShapeError: when the two are not equally many, or there are none.
    """
    if steps < 1:
        raise ConfigError(f"A tiny decoder is taught in one step or more, but {steps} were given.")
    if len(latents) != len(images) or len(latents) == 0:
        raise ShapeError(f"Each latent has its image, but {len(latents)} latents and {len(images)} images came.")
    height, width = latents.shape[-2:]
    targets = shrunk(images, height * config.scale, width * config.scale)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = TinyDecoder(config).to(latents.device)
    random = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=LEARNING_RATE)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    for step in range(steps):
        shown, wanted = _crops(latents, targets, config.scale, random)
        loss = _loss(decoder.images(shown), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        if progress is not None:
            progress(step + 1, steps)
    return decoder.requires_grad_(False).eval()


def _rate(step: int, steps: int) -> float:
    """A short rise, then half a cosine to zero, as a share of the learning rate."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1.0 + math.cos(math.pi * step / steps))


def _convolution(channels: int, features: int) -> nn.Conv2d:
    return nn.Conv2d(channels, features, 3, padding=1)


def _crops(latents: Tensor, targets: Tensor, scale: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of latents at one random place, and their images there."""
    chosen = torch.randint(len(latents), (BATCH,), generator=random)
    height, width = (min(CROP, side) for side in latents.shape[-2:])
    top, left = (
        int(torch.randint(whole - part + 1, (), generator=random))
        for whole, part in zip(latents.shape[-2:], (height, width), strict=True)
    )
    shown = latents[chosen, :, top : top + height, left : left + width]
    rows, columns = slice(top * scale, (top + height) * scale), slice(left * scale, (left + width) * scale)
    return shown, targets[chosen, :, rows, columns]


def _loss(images: Tensor, wanted: Tensor) -> Tensor:
    error = images - wanted
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + EDGES * edges
