"""Pictures that a sample is to resemble, or to differ from, as a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.randomness import REFERENCE_STREAM, sample_noise


@dataclass(frozen=True, kw_only=True)
class References:
    """Pictures that self-attention reads beside the sample itself (von Ruette 2023, FABRIC).

    A reference is noised to the time of its sample and goes through the network under the sample's conditioning. At every
    self-attention the sample attends to the reference's positions as well as to its own: `o(p) = sum_j w_j e_pj v_j / sum_j w_j e_pj`
    with `e_pj = exp(q_p k_j / sqrt(d))`, and w_j = 1 for the sample's own positions.

    Args:
        latents: (batch, references, channels, height, width), of the sample's size. A `Denoiser` takes them clean, as data; its
            network gets them noised.
        weights: w >= 0, (batch, references), or (batch, references, height, width), soft masks at any resolution; attention resizes
            them to its own grid by area averaging. A position of weight 0 is as if absent, one of weight 1 counts like the sample's.
        seeds: (batch, references), of the noise that each keeps at all times.
        queries: (batch, height, width), soft masks in [0, 1] at any resolution: where in the sample references are seen. Between 0
            and 1, what is attended to with and without them is mixed; None = everywhere.

    Raises:
        ShapeError: when there are none, or not as many weights and seeds as latents.
    """

    latents: Float[Tensor, "batch references channels height width"]
    weights: Float[Tensor, "batch references"] | Float[Tensor, "batch references mask_height mask_width"]
    seeds: Int[Tensor, "batch references"]
    queries: Float[Tensor, "batch query_height query_width"] | None = None

    def __post_init__(self) -> None:
        outer = tuple(self.latents.shape[:2])
        fits = self.latents.ndim == 5 and self.weights.ndim in (2, 4) and tuple(self.weights.shape[:2]) == outer
        fits = fits and tuple(self.seeds.shape) == outer and outer[1] > 0
        if self.queries is not None:
            fits = fits and self.queries.ndim == 3 and self.queries.shape[0] == outer[0]
        if not fits:
            given = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in self._tensors())
            raise ShapeError(
                "References are latents (batch, references, channels, height, width), one or more per sample, with a seed and a weight "
                f"or a soft mask for each, and soft masks (batch, height, width) of queries or none; {given} was given."
            )

    @cached_property
    def noise(self) -> Float[Tensor, "batch references channels height width"]:
        """Unit normal, what each reference is noised with at all times. Drawn once per value, as seeds on a device are waited for."""
        like, seeds = self.latents, [int(seed) for seed in self.seeds.flatten().cpu()]
        return sample_noise(seeds, REFERENCE_STREAM, like.shape[2:], device=like.device, dtype=like.dtype).reshape(like.shape)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Apply `function` to every tensor, keeping what is None."""
        return replace(self, **{name: function(tensor) for name, tensor in self._tensors()})

    @staticmethod
    def cat(parts: Sequence[References | None], batches: Sequence[int | None]) -> References:
        """Join along the batch. Samples with fewer references than others, or none, get some of weight 0.

        Args:
            parts: one at least is not None.
            batches: how many samples each part stands for; None = as many as every other.

        Raises:
            ShapeError: when latents differ in size, or masks in resolution, or it is unclear for how many samples a part stands.
        """
        given = [part for part in parts if part is not None]
        _same_size("latents", (part.latents.shape[2:] for part in given))
        masks = _same_size("weights", (part.weights.shape[2:] for part in given if part.weights.ndim == 4))
        views = _same_size("queries", (part.queries.shape[1:] for part in given if part.queries is not None))
        count = max(part.latents.shape[1] for part in given)
        filled = [
            given[0]._none_for(_samples(batch, batches)) if part is None else part
            for part, batch in zip(parts, batches, strict=True)
        ]
        padded = [part._padded(count, masks, views) for part in filled]
        queries = [part.queries for part in padded if part.queries is not None]
        return References(
            latents=torch.cat([part.latents for part in padded]),
            weights=torch.cat([part.weights for part in padded]),
            seeds=torch.cat([part.seeds for part in padded]),
            queries=torch.cat(queries) if queries else None,
        )

    def _tensors(self) -> list[tuple[str, Tensor]]:
        values = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, value) for name, value in values if value is not None]

    def _none_for(self, batch: int) -> References:
        """As many references of weight 0 for each of `batch` samples."""
        return self.map(lambda x: x.new_zeros(batch, *x.shape[1:]))

    def _padded(self, count: int, masks: torch.Size | None, views: torch.Size | None) -> References:
        """With `count` references for each sample, and with masks where others have them."""
        weights, queries = self.weights, self.queries
        if weights.ndim == 2 and masks is not None:
            weights = weights[..., None, None].expand(*weights.shape, *masks)
        if queries is None and views is not None:
            queries = self.latents.new_ones(self.latents.shape[0], *views)
        latents, weights, seeds = (_pad(x, count) for x in (self.latents, weights, self.seeds))
        return References(latents=latents, weights=weights, seeds=seeds, queries=queries)


def _pad(x: Tensor, count: int) -> Tensor:
    return torch.cat([x, x.new_zeros(x.shape[0], count - x.shape[1], *x.shape[2:])], dim=1)


def _same_size(name: str, shapes: Iterable[torch.Size]) -> torch.Size | None:
    """The one shape among `shapes`, None when there is none."""
    found = list(dict.fromkeys(shapes))
    if len(found) > 1:
        listed = " and ".join(str(tuple(shape)) for shape in found)
        raise ShapeError(f"References that are joined need {name} of one size, but {listed} were given: resize them first.")
    return found[0] if found else None


def _samples(batch: int | None, batches: Sequence[int | None]) -> int:
    known = {batch} if batch is not None else {other for other in batches if other is not None}
    if len(known) != 1:
        raise ShapeError(
            f"An empty conditioning was given beside others of {sorted(known)} samples, so it is unclear for how many it stands: "
            "give it references of weight 0."
        )
    return known.pop()
