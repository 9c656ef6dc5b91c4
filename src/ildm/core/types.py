"""The values that travel between layers: latents, times, conditioning, and what a denoiser is.

Time is fixed once for the whole project: t = 0 is data, t = 1 is noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, Self, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.references import References
from ildm.core.regions import Regions
from ildm.core.tokens import equal_tokens

Latent = Float[Tensor, "batch channels height width"]
Image = Float[Tensor, "batch 3 image_height image_width"]
Times = Float[Tensor, " batch"]
"""Times stay on the CPU in float64 wherever the latents are: their coefficients are computed there, and nobody waits for a device."""
Worn = tuple[tuple[str, float], ...]
"""Adapters by name, and how strongly each acts."""
Memory = tuple[Tensor, ...]
"""What a denoiser leaves for its next call: latents, (batch, channels, height, width) each; empty at the start of a run."""


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
        adapters: low-rank adapters that act in this call beside those that are set.
    """

    context: Float[Tensor, "batch tokens context_width"] | None = None
    context_mask: Bool[Tensor, "batch tokens"] | None = None
    pooled: Float[Tensor, "batch features"] | None = None
    label: Int[Tensor, " batch"] | None = None
    guidance: Float[Tensor, " batch"] | None = None
    concat: Float[Tensor, "batch channels height width"] | None = None
    regions: Regions | None = None
    references: References | None = None
    adapters: Worn = ()

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply `function` to every tensor, keeping what is None."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "adapters"}
        mapped = {
            name: function(part) if isinstance(part, Tensor) else part.map(function)
            for name, part in given.items()
            if part is not None
        }
        return replace(self, **mapped)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Move to a device; floating tensors also change dtype when one is given."""
        return self.map(lambda x: x.to(device, dtype if dtype is not None and x.is_floating_point() else None))

    def __getitem__(self, index: slice) -> Self:
        """The samples `index` of the batch."""
        return self.map(lambda x: x[index])

    def beside(self, other: Conditioning) -> Conditioning:
        """Both at once: each field from the one that has it, contexts one behind the other.

        Raises:
            ShapeError: when both have another field than the context.
        """
        given = {field.name: getattr(other, field.name) for field in fields(other) if field.name != "adapters"}
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            return self
        if self.context is not None and other.context is not None:
            masks = [
                torch.ones(one.context.shape[:2], dtype=torch.bool, device=one.context.device)  # type: ignore[union-attr]
                if one.context_mask is None
                else one.context_mask
                for one in (self, other)
            ]
            given["context"] = torch.cat([self.context, other.context], dim=1)
            given["context_mask"] = None if self.context_mask is other.context_mask is None else torch.cat(masks, dim=1)
        twice = [name for name in given if getattr(self, name) is not None and not name.startswith("context")]
        if twice:
            raise ShapeError(f"Two conditionings stand side by side, but both carry {twice[0]!r}: one of them has to.")
        return replace(self, **given)

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

    def expand(self, batch: int) -> Self:
        """The same for so many samples, where it is for one."""
        if self.batch in (None, batch):
            return self
        return self.map(lambda x: x.expand(batch, *x.shape[1:]))

    @staticmethod
    def cat(parts: Sequence[Conditioning]) -> Conditioning:
        """Join along the batch. Shorter contexts are padded with masked tokens, missing regions and references with some of weight 0;
        beside regions a plain context is one that acts everywhere.

        Raises:
            ShapeError: when one part has a field that another lacks, references apart, when references cannot be joined, or when adapters
                differ.
        """
        if len({part.adapters for part in parts}) > 1:
            raise ShapeError("Conditionings to be joined act with the same adapters, but theirs differ: evaluate them apart.")
        if any(part.regions is not None for part in parts):
            parts = [part._with_regions() for part in parts]
        padded = equal_tokens(parts)
        joined: dict[str, Any] = {"adapters": parts[0].adapters}
        for field in fields(Conditioning):
            if field.name == "adapters":
                continue
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
            joined[field.name] = Regions.cat(values) if field.name == "regions" else torch.cat(values)
        return Conditioning(**joined)

    def _with_regions(self) -> Conditioning:
        """The same, a plain context as the base of a picture without other regions."""
        if self.context is None:
            return self
        return replace(self, context=None, context_mask=None, regions=Regions.everywhere(self.context, self.context_mask))


@runtime_checkable
class Denoiser(Protocol):
    """Estimates the data behind a noised latent, in the path's own frame.

    Samplers, guidance and regional mixing see only this. `precondition` turns a network into one.
    """

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """The data estimate for `noised` (batch, channels, height, width) at times `t` (batch,) in [0, 1]."""
        ...
