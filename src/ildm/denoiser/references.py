"""References on their way through a network: noised like their samples, rows of the same batch, read by self-attention.

von Ruette 2023 (FABRIC). In one batch a reference is at every layer exactly when its sample is, so nothing has to be kept from a
pass of its own: at each self-attention its keys and values lie beside those of the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.masks import Grid, area_average
from ildm.core.types import Conditioning, Latent, Times
from ildm.denoiser.attended import Attended, Beside
from ildm.diffusion.path import Path, add_noise

Predict = Callable[[Tensor, Tensor, Attended], Tensor]
"""(noised, embedding, attended) -> prediction, one row per latent."""


def noise_references(path: Path, conditioning: Conditioning, t: Times, noised: Latent) -> Conditioning:
    """The conditioning as a network takes it: its references are noised to the times `t`, each by its own noise.

    Args:
        noised: (batch, channels, height, width), the samples, whose device and number format references get.
    """
    references = conditioning.references
    if references is None:
        return conditioning
    data, noise = (x.to(noised).flatten(0, 1) for x in (references.latents, references.noise))  # (B R, C, h, w)
    batch, count = references.seeds.shape
    latents = add_noise(path, data, noise, t.repeat_interleave(count)).unflatten(0, (batch, count))
    return replace(conditioning, references=replace(references, latents=latents))


class Companions(NamedTuple):
    """The references that go through a network with a batch of samples, as rows after theirs. Those of weight 0 do not.

    Args:
        owners: (rows,), the sample that each belongs to.
        places: (rows,), its place among the references of that sample.
        beside: what samples read of them, at each resolution (height, width).
    """

    owners: Tensor
    places: Tensor
    beside: dict[Grid, Beside]

    def predict(
        self,
        predict: Predict,
        noised: Float[Tensor, "batch channels height width"],
        embedding: Float[Tensor, "batch time_width"],
        attended: Attended,
        latents: Float[Tensor, "batch references latent_channels height width"],
    ) -> Tensor:
        """What `predict` makes of the samples, reading the references.

        Args:
            noised: (batch, channels, height, width), the samples with what is concatenated to them, which references get too.
            embedding: (batch, time_width), of time and everything else that is no picture.
            attended: what the samples' cross-attentions read.
            latents: (batch, references, latent_channels, height, width), noised.
        """
        batch = noised.shape[0]
        rows = torch.cat([torch.arange(batch, device=self.owners.device), self.owners])
        concat = noised[self.owners, latents.shape[2] :]  # (rows, C_concat, h, w)
        going = torch.cat([latents[self.owners, self.places].to(noised), concat], dim=1)
        everyone = torch.cat([noised, going])  # (B + rows, C, h, w)
        return predict(everyone, embedding[rows], _rows_of(attended, rows)._replace(beside=self.beside))[:batch]


def companions(
    weights: Float[Tensor, "batch references"] | Float[Tensor, "batch references height width"],
    queries: Float[Tensor, "batch query_height query_width"] | None,
    grids: Iterable[Grid],
) -> Companions | None:
    """Who goes with whom, and what is read at each of `grids`; None when every weight is 0.

    Weights that lie on a device are waited for.

    Raises:
        ConfigError: when a weight is negative or not finite.
    """
    maps = weights[..., None, None] if weights.ndim == 2 else weights  # (B, R, h, w)
    if not bool(((maps >= 0) & maps.isfinite()).all()):
        low, high = float(maps.min()), float(maps.max())
        raise ConfigError(f"The weights of references are numbers of 0 or more, but weights from {low} to {high} were given.")
    present = maps.flatten(2).any(dim=2)  # (B, R)
    owners, places = present.nonzero(as_tuple=True)
    if len(owners) == 0:
        return None
    hosts, taken = (present.any(dim=axis).nonzero().flatten() for axis in (1, 0))
    rows = torch.zeros_like(present, dtype=torch.int64)  # an absent one reads any row, with weight 0
    rows[present] = present.shape[0] + torch.arange(len(owners), device=rows.device)
    read = torch.cat([hosts[:, None], rows[hosts][:, taken]], dim=1)  # (hosts, 1 + references)
    maps, seen = maps[hosts][:, taken], None if queries is None else queries[hosts]
    beside = {grid: Beside(read, _log_weights(maps, grid), None if seen is None else _seen(seen, grid)) for grid in grids}
    return Companions(owners, places, beside)


def _log_weights(maps: Tensor, grid: Grid) -> Tensor:
    """(hosts, 1, 1, (1 + references) * height * width): what is added to logits, nothing to the sample's own."""
    logs = area_average(maps, grid).log().flatten(1)  # (hosts, R h w)
    return F.pad(logs, (grid[0] * grid[1], 0))[:, None, None]


def _seen(queries: Tensor, grid: Grid) -> Tensor:
    """(hosts, 1, height * width, 1)."""
    return area_average(queries, grid).flatten(1)[:, None, :, None]


def _rows_of(attended: Attended, rows: Tensor) -> Attended:
    """What the cross-attentions of these rows of the batch read."""
    taken, counts = rows, None
    if attended.counts is not None:
        # every context of a row goes with each of its copies
        starts = [sum(attended.counts[:row]) for row in range(len(attended.counts))]
        counts = tuple(attended.counts[row] for row in rows.tolist())
        several = [starts[row] + place for row in rows.tolist() for place in range(attended.counts[row])]
        taken = torch.tensor(several, device=rows.device)
    return Attended(
        tuple((key[taken], value[taken]) for key, value in attended.keys_values),
        None if attended.mask is None else attended.mask[taken],
        {grid: weights[taken] for grid, weights in attended.weights.items()},
        counts=counts,
    )
