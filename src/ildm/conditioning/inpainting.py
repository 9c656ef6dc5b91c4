"""What an inpainting model sees beside the noised latent: where to draw, and the picture around it (Rombach 2022, sec. 4.5)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ildm.core.types import Image, Latent

Mask = Float[Tensor, "batch 1 image_height image_width"]


def inpainting_channels(
    image: Image, mask: Mask, encode: Callable[[Image], Latent], grid: tuple[int, int]
) -> Float[Tensor, "batch channels height width"]:
    """The mask at the latent's resolution, then the latent of the picture with what is to be drawn taken out.

    That is the order of Stable Diffusion's inpainting models, whose U-Net takes both behind the noised latent.

    Args:
        image: in [-1, 1]; what lies under the mask is not looked at.
        mask: 1 where to draw, 0 where the picture stays; split at one half.
        encode: images to normalised latents.
        grid: (height, width) of the latent.
    """
    draw = (mask >= 0.5).to(image.dtype)
    # grey, the middle of the range, stands for nothing
    surroundings = encode(image * (1.0 - draw))
    return torch.cat([F.interpolate(draw, size=grid).to(surroundings), surroundings], dim=1)
