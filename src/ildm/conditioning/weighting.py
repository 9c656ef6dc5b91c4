"""Weighted words: what a text encoder made of them is multiplied, and the whole brought back to where it was.

AUTOMATIC1111's way: z <- w z, then z <- z mean(before) / mean(after), the mean over all tokens and features of a window. Here it is
taken for each window of each sample, so that no sample depends on its batch.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

FARTHEST = 10.0
"""How far bringing back the mean may leave the size. With weights of 0 or more, on the 77 tokens of a window whose means and sizes are
alike, it is at most sqrt(77) = 8.8 times; what is farther comes from a mean that the weights have nearly cancelled."""


def emphasise(
    hidden: Float[Tensor, "*batch tokens width"],
    weights: Float[Tensor, "*batch tokens"],
    mask: Bool[Tensor, "*batch tokens"] | None = None,
    *,
    keep: Literal["mean", "size"],
) -> Float[Tensor, "*batch tokens width"]:
    """Multiply each token by its weight, then each window by the number that keeps its mean or its size (root mean square).

    A window keeps its size where its mean cannot be brought back: where the weights have turned its sign or left nearly nothing of it
    (see `FARTHEST`). Finite numbers stay finite, whatever the weights; a window of weight 1 is multiplied by exactly 1.

    Args:
        hidden: the output of a text encoder, a window per row.
        weights: on the CPU; any finite numbers, those of marks and padding 1.
        mask: True where a token counts for mean and size; None = all do.
        keep: the size where the mean is close to zero to begin with, as behind a norm over the features.
    """
    if bool((weights == 1).all()):
        return hidden
    before = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    # a common factor changes nothing in the end, so that the largest weight may be 1: nothing overflows
    relative = weights / weights.abs().amax(dim=-1, keepdim=True).clamp(min=1)
    after = before * relative.to(before.dtype).to(before.device)[..., None]
    real = torch.ones_like(before[..., :1]) if mask is None else mask[..., None].to(before)

    def total(values: Tensor) -> Tensor:
        return (values * real).sum(dim=(-2, -1), keepdim=True)

    factor = (total(before.square()) / total(after.square())).sqrt()
    factor = torch.where(factor.isfinite(), factor, 1)
    if keep == "mean":
        wanted = total(before) / total(after)
        farther = wanted / factor
        factor = torch.where((farther >= 1 / FARTHEST) & (farther <= FARTHEST), wanted, factor)
    largest = torch.finfo(hidden.dtype).max
    return (after * factor).clamp(-largest, largest).to(hidden.dtype)
