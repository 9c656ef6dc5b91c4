"""Contexts bound to areas of a picture, as a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.core.masks import Grid, area_average
from ildm.core.tokens import equal_tokens


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Contexts that act only where their weight says so.

    At a cross-attention the output at position p is `sum_r weights[r, p] * Attn(Q(p), K(context_r), V(context_r))`.
    Region 0 is the base, the ground that the others lie on, so the weights sum to one wherever something applies.

    Args:
        context: (batch, regions, tokens, width), one context per region.
        weights: (batch, regions, height, width), soft masks in [0, 1] at any resolution; attention resizes them to its
            own grid, see `ildm.core.masks.thin_kept`.
        context_mask: (batch, regions, tokens), True where a token is real; None = all are.
    """

    context: Float[Tensor, "batch regions tokens context_width"]
    weights: Float[Tensor, "batch regions height width"]
    context_mask: Bool[Tensor, "batch regions tokens"] | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply `function` to every tensor, keeping what is None."""
        mask = None if self.context_mask is None else function(self.context_mask)
        return replace(self, context=function(self.context), weights=function(self.weights), context_mask=mask)

    @classmethod
    def everywhere(cls, context: Float[Tensor, "batch tokens width"], mask: Bool[Tensor, "batch tokens"] | None) -> Self:
        """A plain context as the base of a picture without other regions."""
        weights = torch.ones(context.shape[0], 1, 1, 1, device=context.device)
        return cls(context=context[:, None], weights=weights, context_mask=None if mask is None else mask[:, None])

    @staticmethod
    def cat(parts: Sequence[Regions]) -> Regions:
        """Join along the batch. Samples with fewer regions than others get some that have no weight anywhere."""
        count = max(part.weights.shape[1] for part in parts)
        grid = max(((part.weights.shape[-2], part.weights.shape[-1]) for part in parts), key=math.prod)
        padded = [part._padded(count, grid) for part in equal_tokens(parts)]
        masks = [part.context_mask for part in padded if part.context_mask is not None]
        return Regions(
            context=torch.cat([part.context for part in padded]),
            weights=torch.cat([part.weights for part in padded]),
            context_mask=torch.cat(masks) if masks else None,
        )

    def _padded(self, count: int, grid: Grid) -> Regions:
        """With so many regions, painted so finely."""
        weights = self.weights if self.weights.shape[-2:] == grid else area_average(self.weights, grid)
        missing = count - weights.shape[1]
        if missing == 0:
            return replace(self, weights=weights)
        return Regions(
            context=F.pad(self.context, (0, 0, 0, 0, 0, missing)),
            weights=F.pad(weights, (0, 0, 0, 0, 0, missing)),
            context_mask=None if self.context_mask is None else F.pad(self.context_mask, (0, 0, 0, missing)),
        )
