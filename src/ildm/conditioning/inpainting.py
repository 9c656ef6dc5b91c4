"""What an inpainting model sees beside the noised latent: where to draw, and the picture around it (Rombach 2022, sec. 4.5)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image as PILImage
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.picture import from_picture, to_floats
from ildm.core.types import Image, Latent

Mask = Float[Tensor, "batch 1 image_height image_width"]


def picture_and_mask(picture: PILImage.Image | None, mask: PILImage.Image | None, size: tuple[int, int]) -> tuple[Image, Mask]:
    """A picture in [-1, 1] and where to draw it anew, as tensors of one image; without a picture it is grey, without a mask all is drawn.

    Args:
        mask: white where to draw.
        size: (width, height) in pixels of what is drawn.

    Raises:
        ShapeError: when one of them has another size.
    """
    for given, name in ((picture, "image"), (mask, "mask")):
        if given is not None and given.size != size:
            raise ShapeError(f"The {name} is {_by(given.size)}, but {_by(size)} is drawn: give both in one size.")
    pixels = torch.zeros(1, 3, size[1], size[0]) if picture is None else to_floats(from_picture(picture)[None])
    return pixels, torch.ones_like(pixels[:, :1]) if mask is None else from_picture(mask)[None, :1].float() / 255


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


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
