"""Noise that belongs to a sample, not to a run.

Every sample has a seed. Its start noise is stream 0; the noise of step k is stream k + 1. A stream is drawn on the CPU in
float32 whatever the device, so a result depends neither on its neighbours in a batch nor on previews, pauses or hardware.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

START_STREAM = 0
REFERENCE_STREAM = -1  # the noise of a reference, which no step has


def step_stream(step: int) -> int:
    """The stream of the noise that step `step` (counted from 0) adds."""
    return step + 1


def generator(seed: int, stream: int) -> torch.Generator:
    """A CPU generator for one stream of one seed. Streams are independent: their states come from a hash of both."""
    digest = hashlib.blake2b(f"{seed}:{stream}".encode(), digest_size=8).digest()
    # manual_seed takes a signed 64-bit number
    return torch.Generator("cpu").manual_seed(int.from_bytes(digest, "little") >> 1)


@dataclass(frozen=True, eq=False)
class SeedAreas:
    """Areas of a picture whose noise comes from seeds of their own: it is `sum_s M_s n_s / sqrt(sum_s M_s^2)`.

    Args:
        seeds: each once.
        masks: (seeds, height, width) on the latent's grid, >= 0: how much each counts where.
        rest: (height, width), how much a sample's own seed counts. Somewhere one of them is above 0 at every position.
    """

    seeds: tuple[int, ...]
    masks: Float[Tensor, "seeds height width"]
    rest: Float[Tensor, "height width"]

    def counts(self, own: int) -> dict[int, Float[Tensor, "height width"]]:
        """How much each seed counts where, for a sample of seed `own`."""
        counts = {own: self.rest}
        for seed, mask in zip(self.seeds, self.masks, strict=True):
            counts[seed] = counts[seed] + mask if seed in counts else mask
        return counts


def sample_noise(
    seeds: Sequence[int],
    stream: int,
    shape: Sequence[int],
    *,
    areas: SeedAreas | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Unit normal noise, one independent stream per sample.

    Args:
        seeds: one per sample.
        stream: `START_STREAM` or `step_stream(k)`.
        shape: of one sample, without the batch.
        areas: where other seeds than a sample's own count; None = nowhere.

    Returns:
        (len(seeds), *shape)
    """
    drawn = [_drawn(seed, stream, shape) if areas is None else _mixed(areas.counts(seed), stream, shape) for seed in seeds]
    return torch.stack(drawn).to(device, dtype)


def _drawn(seed: int, stream: int, shape: Sequence[int]) -> Tensor:
    return torch.randn(*shape, generator=generator(seed, stream))


def _mixed(counts: Mapping[int, Tensor], stream: int, shape: Sequence[int]) -> Tensor:
    drawn = torch.stack([_drawn(seed, stream, shape).double() for seed in counts])  # (seeds, C, h, w)
    shares = torch.stack(list(counts.values())).double().cpu()[:, None]  # (seeds, 1, h, w)
    return (shares * drawn).sum(dim=0) / shares.square().sum(dim=0).sqrt()
