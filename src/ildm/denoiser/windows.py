"""Pictures larger than a network was trained on, denoised in overlapping windows of its own size at every step.

What a network says of a place then depends on its surroundings alone, as in convolutional sampling (Rombach 2022, section 4.3.2), but
attention never sees more positions than it knows: time grows with the picture's area, and memory does not grow. Where windows
overlap, their estimates are blended (Bar-Tal 2023, "MultiDiffusion", eq. 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.types import Conditioning, Denoiser, Latent, Times

AT_ONCE = 8
"""Windows that are denoised together."""


@dataclass(frozen=True)
class Windowed:
    """A `Denoiser` that looks through windows where the latent is larger than one.

    Conditionings that are bound to places of the whole picture, regions and references, are denoised whole.

    Args:
        denoiser: looks through each window.
        side: rows and columns of a window.
        overlap: rows and columns that neighbours share at least.
    """

    denoiser: Denoiser
    side: int
    overlap: int

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """See `Denoiser`."""
        height, width = noised.shape[2:]
        bound = conditioning.regions is not None or conditioning.references is not None
        if bound or max(height, width) <= self.side:
            return self.denoiser(noised, t, conditioning)
        tall, wide = min(height, self.side), min(width, self.side)
        weight = (_ramp(tall, self.overlap)[:, None] * _ramp(wide, self.overlap)).to(noised)  # (tall, wide)
        total, blended = torch.zeros_like(noised[:1, :1]), torch.zeros_like(noised)
        places = [(top, left) for top in starts(height, tall, self.overlap) for left in starts(width, wide, self.overlap)]
        for group in _groups(places, max(1, AT_ONCE // len(noised))):
            seen = [self._seen(noised, conditioning, place, (tall, wide)) for place in group]
            data = self.denoiser(
                torch.cat([one for one, _ in seen]), t.repeat(len(group)), Conditioning.cat([one for _, one in seen])
            )
            for (top, left), estimate in zip(group, data.split(len(noised)), strict=True):
                blended[..., top : top + tall, left : left + wide] += weight * estimate
                total[..., top : top + tall, left : left + wide] += weight
        return blended / total

    def _seen(
        self, noised: Latent, conditioning: Conditioning, place: tuple[int, int], size: tuple[int, int]
    ) -> tuple[Float[Tensor, "batch channels rows columns"], Conditioning]:
        rows, columns = (slice(start, start + side) for start, side in zip(place, size, strict=True))
        told = conditioning.expand(len(noised))
        concat = None if told.concat is None else told.concat[..., rows, columns]
        return noised[..., rows, columns], replace(told, concat=concat)


def starts(length: int, side: int, overlap: int) -> list[int]:
    """Where windows of `side` begin along `length`: as few as overlap everywhere by `overlap`, evenly spread, the last at the end."""
    if length <= side:
        return [0]
    count = 1 + -(-(length - side) // (side - overlap))
    return [round(place * (length - side) / (count - 1)) for place in range(count)]


def _ramp(length: int, overlap: int) -> Float[Tensor, " length"]:
    """Rising from the edges over the overlap, 1 between; never 0."""
    places = torch.arange(length, dtype=torch.float32)
    return ((torch.minimum(places, length - 1 - places) + 1.0) / (overlap + 1.0)).clamp(max=1.0)


def _groups(places: list[tuple[int, int]], size: int) -> Iterator[list[tuple[int, int]]]:
    for start in range(0, len(places), size):
        yield places[start : start + size]
