"""Small copies of images: by a clean bicubic filter, or as a bad camera and a careless upload would leave them.

The second is after BSRGAN (Zhang 2021, section 3): blur, shrinking, noise and JPEG, each drawn, in a drawn order.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageFilter
from torch import Tensor

from ildm.core.errors import ConfigError, ShapeError

_FILTERS = (Image.Resampling.BICUBIC, Image.Resampling.BILINEAR, Image.Resampling.BOX, Image.Resampling.LANCZOS)
_Change = Callable[[Image.Image, random.Random], Image.Image]


def shrink(
    image: UInt8[Tensor, "3 height width"], factor: int, degradation: str, rng: random.Random
) -> UInt8[Tensor, "3 small_height small_width"]:
    """A copy `factor` times smaller.

    Args:
        degradation: "bicubic" or "bsr".

    Raises:
        ConfigError: for another degradation.
        ShapeError: when a side is not divisible.
    """
    height, width = image.shape[1:]
    if height % factor or width % factor:
        raise ShapeError(
            f"An image of {width}x{height} cannot be made {factor} times smaller: crop it to multiples of {factor}."
        )
    picture, small = Image.fromarray(image.permute(1, 2, 0).numpy()), (width // factor, height // factor)
    if degradation == "bicubic":
        shrunk = picture.resize(small, Image.Resampling.BICUBIC)
    elif degradation == "bsr":
        shrunk = _spoil(picture, small, rng)
    else:
        raise ConfigError(f"degradation is bicubic or bsr, but {degradation!r} was given.")
    return torch.from_numpy(np.array(shrunk)).permute(2, 0, 1)


def _spoil(picture: Image.Image, small: tuple[int, int], rng: random.Random) -> Image.Image:
    changes: list[_Change] = [_blur, _noise, _compress, lambda one, rng: one.resize(small, rng.choice(_FILTERS))]
    rng.shuffle(changes)
    for change in changes:
        picture = change(picture, rng)
    # a camera's own compression comes last
    return _compress(picture, rng)


def _blur(picture: Image.Image, rng: random.Random) -> Image.Image:
    # in pixels of the small picture, whatever size the picture has by now
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.1, 1.2) * picture.width / 64))


def _noise(picture: Image.Image, rng: random.Random) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float32)
    source = np.random.Generator(np.random.PCG64(rng.getrandbits(64)))
    shape = pixels.shape if rng.random() < 0.5 else (*pixels.shape[:2], 1)  # coloured or grey
    noisy = pixels + source.normal(0.0, rng.uniform(1.0, 15.0), shape)
    return Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8))


def _compress(picture: Image.Image, rng: random.Random) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=round(rng.uniform(40, 95)))
    with Image.open(file) as read:
        return read.convert("RGB")
