"""The values that travel between layers: latents, times, conditioning, and what a denoiser is.

Time is fixed once for the whole project: t = 0 is data, t = 1 is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Protocol, Self, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.references import References

Latent = Float[Tensor, "batch channels height width"]
Image = Float[Tensor, "batch 3 image_height image_width"]
Times = Float[Tensor, " batch"]
"""Times stay on the CPU in float64 wherever the latents are: their coefficients are computed there, and nobody waits for a device."""
Memory = tuple[Tensor, ...]
"""What a denoiser leaves for its next call: latents, (batch, channels, height, width) each; empty at the start of a run."""


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Contexts that act only where their weight says so.

    At a cross-attention the output at position p is `sum_r weights[r, p] * Attn(Q(p), K(context_r), V(context_r))`; the
    base context is region 0 like any other, so the weights sum to one wherever something applies.

    Args:
        context: (batch, regions, tokens, width), one context per region.
        weights: (batch, regions, height, width), soft masks in [0, 1] at any resolution; attention resizes them to its
            own grid by area averaging.
        context_mask: (batch, regions, tokens), True where a token is real; None = all are.
    """

    context: Float[Tensor, "batch regions tokens context_width"]
    weights: Float[Tensor, "batch regions height width"]
    context_mask: Bool[Tensor, "batch regions tokens"] | None = None


@dataclass(frozen=True, kw_only=True)
class Conditioning:
    """Everything that steers one denoising call, as a value. Swapping it between two steps *is* steering.

    Args:
        context: (batch, tokens, width), attended to by cross-attention.
        context_mask: (batch, tokens), True where a token is real; None = all are.
        pooled: (batch, features), added to the time embedding through a small MLP (SDXL's route).
        label: (batch,), class indices, embedded and added to the time embedding.
        guidance: (batch,), the guidance scale, told to networks that were distilled with it (Meng 2023); 1 = none.
        concat: (batch, channels, height, width), concatenated to the noised latent.
        regions: contexts bound to areas; replaces `context` in cross-attention when given.
        references: pictures that self-attention reads beside the sample.
    """

    context: Float[Tensor, "batch tokens context_width"] | None = None
    context_mask: Bool[Tensor, "batch tokens"] | None = None
    pooled: Float[Tensor, "batch features"] | None = None
    label: Int[Tensor, " batch"] | None = None
    guidance: Float[Tensor, " batch"] | None = None
    concat: Float[Tensor, "batch channels height width"] | None = None
    regions: Regions | None = None
    references: References | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply `function` to every tensor, keeping what is None."""
        return _map_fields(self, function)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Move to a device; floating tensors also change dtype when one is given."""
        return self.map(lambda x: x.to(device, dtype if dtype is not None and x.is_floating_point() else None))

    def __getitem__(self, index: slice) -> Self:
        """The samples `index` of the batch."""
        return self.map(lambda x: x[index])

    @property
    def batch(self) -> int | None:
        """How many samples this conditions, or None when it is empty."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                return value.shape[0]
        if self.regions is not None:
            return self.regions.context.shape[0]
        return None if self.references is None else self.references.latents.shape[0]

    @staticmethod
    def cat(parts: Sequence[Conditioning]) -> Conditioning:
        """Join along the batch. Shorter contexts are padded with masked tokens, missing references with some of weight 0.

        Raises:
            ShapeError: when one part has a field that another lacks, references apart, or references cannot be joined.
        """
        padded = _equal_tokens(parts)
        joined: dict[str, Tensor | Regions | References | None] = {}
        for field in fields(Conditioning):
            values = [getattr(part, field.name) for part in padded]
            if all(value is None for value in values):
                continue
            if field.name == "references":
                joined[field.name] = References.cat(values, [part.batch for part in parts])
                continue
            if any(value is None for value in values):
                raise ShapeError(
                    f"Conditionings to be joined must carry the same fields, but only some carry {field.name!r}: "
                    "give every sample of a batch the same kinds of conditioning."
                )
            joined[field.name] = _cat_regions(values) if field.name == "regions" else torch.cat(values)
        return Conditioning(**joined)  # type: ignore[arg-type]


@runtime_checkable
class Denoiser(Protocol):
    """Estimates the data behind a noised latent, in the path's own frame.

    Samplers, guidance and regional mixing see only this. `precondition` turns a network into one.
    """

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """The data estimate for `noised` (batch, channels, height, width) at times `t` (batch,) in [0, 1]."""
        ...


Part = TypeVar("Part", Conditioning, Regions)


def _map_fields(value: Part, function: Callable[[Tensor], Tensor]) -> Part:
    changed = {}
    for field in fields(value):  # type: ignore[arg-type]
        part = getattr(value, field.name)
        if isinstance(part, Tensor):
            changed[field.name] = function(part)
        elif isinstance(part, Regions):
            changed[field.name] = _map_fields(part, function)
        elif isinstance(part, References):
            changed[field.name] = part.map(function)
    return replace(value, **changed)  # type: ignore[type-var]


def _equal_tokens(parts: Sequence[Part]) -> Sequence[Part]:
    """The parts with contexts of one length: shorter ones get masked tokens at their end."""
    lengths = {part.context.shape[-2] for part in parts if part.context is not None}
    masked = any(part.context_mask is not None for part in parts)
    if len(lengths) <= 1 and not masked:
        return parts
    longest = max(lengths, default=0)
    return [part if part.context is None else _pad_tokens(part, part.context, longest) for part in parts]


def _pad_tokens(part: Part, context: Tensor, length: int) -> Part:
    *outer, tokens, width = context.shape
    mask = part.context_mask
    if mask is None:
        mask = torch.ones(*outer, tokens, dtype=torch.bool, device=context.device)
    missing = length - tokens
    return replace(
        part,
        context=torch.cat([context, context.new_zeros(*outer, missing, width)], dim=-2),
        context_mask=torch.cat([mask, mask.new_zeros(*outer, missing)], dim=-1),
    )


def _cat_regions(parts: Sequence[Regions]) -> Regions:
    padded = _equal_tokens(parts)
    masks = [part.context_mask for part in padded if part.context_mask is not None]
    return Regions(
        context=torch.cat([part.context for part in padded]),
        weights=torch.cat([part.weights for part in padded]),
        context_mask=torch.cat(masks) if masks else None,
    )
