"""Latents that shrink and turn as their images do (Kouzelis 2025, "EQ-VAE"): a smoother space is easier to denoise."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ildm.core.types import Image, Latent


def transform_together(
    images: Image, latents: Latent, random: torch.Generator
) -> tuple[Float[Tensor, "batch 3 _ _"], Float[Tensor, "batch channels _ _"]]:
    """Shrink images and their latents to the same fraction of their size, and turn both by the same quarter turns.

    A decoder that must make the transformed image from the transformed latent teaches the encoder latents without detail that
    only the original grid can carry (Kouzelis 2025, eq. 5).

    Args:
        images: (batch, 3, height, width)
        latents: (batch, channels, height / stride, width / stride), raw.
        random: of the size, from half to all but one row of the latents, and of the turn; on the CPU.

    Returns:
        The images and latents so changed; their sizes keep the stride.
    """
    height, width = latents.shape[-2:]
    stride = images.shape[-1] // width
    rows = int(torch.randint(max(1, height // 2), max(2, height), (), generator=random))
    turns = int(torch.randint(4, (), generator=random))
    columns = max(1, round(width * rows / height))
    return (
        turned(shrunk(images, rows * stride, columns * stride), turns),
        turned(shrunk(latents.float(), rows, columns), turns),
    )


def shrunk(values: Tensor, height: int, width: int) -> Tensor:
    """Values (batch, channels, ...) at fewer rows and columns."""
    return F.interpolate(values, (height, width), mode="bilinear", antialias=True)


def turned(values: Tensor, quarters: int) -> Tensor:
    """Values (batch, channels, height, width) turned by so many quarters."""
    return values.rot90(quarters, (-2, -1)).contiguous()
