"""Numbers as waves, the form in which networks are told times and sizes."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoidal(
    numbers: Float[Tensor, " batch"], width: int, *, cosine_first: bool = True, closed: bool = False
) -> Float[Tensor, "batch width"]:
    """Sines and cosines of numbers at `width // 2` wavelengths from 2 pi to 20,000 pi (Vaswani 2017, section 3.5).

    Args:
        numbers: (batch,), such as timesteps on the network's own scale (0..1000 for Stable Diffusion), or sizes in pixels.
        width: of the result, even.
        cosine_first: the order in the LDM and Stable Diffusion weights; diffusers calls it `flip_sin_to_cos`.
        closed: whether the longest wavelength is one of them (then `width` is 4 or more), or would be the next.
    """
    half = width // 2
    index = torch.arange(half, dtype=torch.float32, device=numbers.device)
    frequency = torch.exp(-math.log(10_000) / (half - closed) * index)
    angle = numbers.float()[:, None] * frequency
    parts = (angle.cos(), angle.sin()) if cosine_first else (angle.sin(), angle.cos())
    return torch.cat(parts, dim=1)
