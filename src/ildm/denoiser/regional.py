"""Several prompts in one picture, each where its weight says so: by attention, in one pass, or by mixing estimates.

`by_attention`: every position attends to the contexts of its own parts (`ildm.denoiser.attention`), and is guided as strongly as they
ask. `Blended`: every part is estimated on the whole picture, all in one batch, and the estimates are mixed (Bar-Tal 2023 and Liu 2022
average them; here each has its own guidance).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError, ShapeError
from ildm.core.masks import ROUNDING, Grid, thin_kept
from ildm.core.regions import Regions
from ildm.core.shapes import per_sample
from ildm.core.types import Conditioning, Denoiser, Latent, Times
from ildm.denoiser.guidance import Rescale

ROWS_AT_ONCE = 16
"""Estimates in one batch at most: memory grows with them, speed no more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """The prompts of a picture, encoded, with their areas. The first is the ground that the others lie on, whatever its weight.

    Args:
        positives, negatives: what each follows and what it moves away from, of one sample each. The same object where they are the same.
        guidances: how strongly each is followed while guidance acts; elsewhere that is 1.
        shares: how much of that acts, at all times.
        weights: (parts, height, width) at any resolution; they sum to one at every position, or to more where areas add up. None = there
            is one part, everywhere.

    Raises:
        ShapeError: when there are not as many of each.
    """

    positives: tuple[Conditioning, ...]
    negatives: tuple[Conditioning, ...]
    guidances: tuple[float, ...]
    shares: tuple[float, ...]
    weights: Float[Tensor, "parts height width"] | None

    def __post_init__(self) -> None:
        weights = 1 if self.weights is None else self.weights.shape[0]
        counts = {len(self.positives), len(self.negatives), len(self.guidances), len(self.shares), weights}
        if len(counts) > 1 or not self.positives:
            raise ShapeError(
                f"Parts have a positive, a negative, a guidance, a share and a weight each, but {sorted(counts)} of them came."
            )

    @property
    def scales(self) -> tuple[float, ...]:
        """What guidance amounts to for each where it acts."""
        return tuple(guidance * share for guidance, share in zip(self.guidances, self.shares, strict=True))

    @property
    def maps(self) -> Float[Tensor, "parts height width"]:
        """The weights, also of one part that is everywhere."""
        return torch.ones(1, 1, 1) if self.weights is None else self.weights

    def merged(self) -> Parts:
        """The same with equal parts as one, and without those that have no weight anywhere, the ground apart.

        Where one part rules everywhere and alone, it is the only one, and has no weights.
        """
        if self.weights is None:
            return self
        places: dict[tuple[int, int, float, float], list[int]] = {}
        for place, key in enumerate(
            zip(map(id, self.positives), map(id, self.negatives), self.guidances, self.shares, strict=True)
        ):
            places.setdefault(key, []).append(place)
        firsts = [several[0] for several in places.values()]
        maps = torch.stack([self.maps[several].sum(dim=0) for several in places.values()])
        acting = [bool(one.any()) for one in maps]
        if sum(acting) == 1 and bool(((maps[acting.index(True)] - 1.0).abs() < ROUNDING).all()):
            return self._of([firsts[acting.index(True)]], None)
        kept = [number for number, acts in enumerate(acting) if acts or number == 0]
        return self._of([firsts[number] for number in kept], maps[kept])

    def _of(self, places: Sequence[int], weights: Tensor | None) -> Parts:
        return Parts(
            positives=tuple(self.positives[place] for place in places),
            negatives=tuple(self.negatives[place] for place in places),
            guidances=tuple(self.guidances[place] for place in places),
            shares=tuple(self.shares[place] for place in places),
            weights=weights,
        )


def by_attention(
    parts: Parts, grid: Grid
) -> tuple[Conditioning, Conditioning, float | Float[Tensor, "1 1 height width"], float | Float[Tensor, "1 1 height width"]]:
    """What `Guided` needs to draw parts in one pass: what is followed, what is moved away from, and how strongly at each position, where
    guidance acts and where it does not.

    Args:
        grid: (height, width) of the latent.

    Raises:
        ConfigError: when there is no context that a position could attend to, or parts have adapters of their own.
    """
    if parts.weights is None:
        return parts.positives[0], parts.negatives[0], parts.scales[0], parts.shares[0]
    total = parts.maps.sum(dim=0, keepdim=True)
    positive = _bound(parts.positives, parts.maps)
    negative = _bound(parts.negatives, parts.maps / total.clamp_min(1e-12))
    return positive, negative, _map(parts.scales, parts.maps, grid), _map(parts.shares, parts.maps, grid)


def _map(values: Sequence[float], maps: Tensor, grid: Grid) -> float | Float[Tensor, "1 1 height width"]:
    """What each position has of values of the parts; one number where they are the same."""
    if len(set(values)) == 1:
        return values[0]
    weights = thin_kept(maps.double(), grid)
    each = torch.tensor(values, dtype=weights.dtype, device=weights.device)[:, None, None]
    return ((weights * each).sum(dim=0) / weights.sum(dim=0).clamp_min(1e-12))[None, None].float()


def _bound(conditionings: Sequence[Conditioning], maps: Float[Tensor, "parts height width"]) -> Conditioning:
    """Conditionings bound to their areas, the ground first; one that rules everywhere, and alone, is itself. Equal ones are one."""
    places: dict[int, list[int]] = {}
    for place, one in enumerate(conditionings):
        places.setdefault(id(one), []).append(place)
    distinct = [conditionings[several[0]] for several in places.values()]
    weights = torch.stack([maps[several].sum(dim=0) for several in places.values()])  # (R, H, W)
    acting = [number for number, one in enumerate(weights) if bool(one.any())]
    if len(acting) == 1 and bool(((weights[acting[0]] - 1.0).abs() < ROUNDING).all()):
        return distinct[acting[0]]
    if len({distinct[number].adapters for number in acting}) > 1:
        raise ConfigError(
            "In one pass all regions act with the same adapters: choose the mode 'latent' for adapters of their own."
        )
    if any(one.context is None for one in distinct):
        raise ConfigError("This model attends to no prompt, so regions cannot act by attention: choose the mode 'latent'.")
    contexts = Conditioning.cat([Conditioning(context=one.context, context_mask=one.context_mask) for one in distinct])
    assert contexts.context is not None
    # in single precision at least: rounded to bfloat16 they would not sum to one
    exact = torch.promote_types(contexts.context.dtype, torch.float32)
    regions = Regions(
        context=contexts.context[None],
        weights=weights[None].to(contexts.context.device, exact),
        context_mask=None if contexts.context_mask is None else contexts.context_mask[None],
    )
    bound = replace(distinct[acting[0]], context=None, context_mask=None, regions=regions)
    if bound.pooled is None:
        return bound
    # there is one pooled vector for the whole picture: everybody's, by how much of it is theirs
    much = weights.mean(dim=(1, 2))
    pooled = torch.cat([one.pooled for one in distinct if one.pooled is not None])
    return replace(bound, pooled=((much / much.sum()).to(pooled) @ pooled)[None])


@dataclass(frozen=True, eq=False)
class Blended:
    """A denoise that mixes estimates: `data = sum_r w_r (negative_r + scale_r (positive_r - negative_r)) + (1 - sum_r w_r) negative_0`.

    With one negative n for all this is `n + sum_r w_r scale_r (positive_r - n)`. Every different conditioning is evaluated once, and
    those that count nowhere are not.

    Args:
        denoiser: estimates the data under any conditioning.
        parts: what is mixed.
        grid: (height, width) of the latent.
        interval: see `Guided`; outside, every guidance is 1.
        told: the network was distilled with guidance: it is told that, and only shares are left to mix by.
        rescale: how the result's deviation is tamed; None = it is not.
    """

    denoiser: Denoiser
    parts: Parts
    grid: Grid
    interval: tuple[float, float] = (0.0, 1.0)
    told: bool = False
    rescale: Rescale | None = None
    _mixtures: dict[tuple[bool, int], _Mixture] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, noised: Latent, t: Times) -> Latent:
        """The data estimate."""
        low, high = self.interval
        acts = (t >= low) & (t <= high)
        if bool(acts.all()) or not bool(acts.any()):
            return self._estimate(noised, t, guided=bool(acts.all()))
        guided, plain = (self._estimate(noised, t, guided=flag) for flag in (True, False))
        return torch.where(per_sample(acts, guided).to(guided.device), guided, plain)

    def _estimate(self, noised: Latent, t: Times, *, guided: bool) -> Latent:
        batch = noised.shape[0]
        if (guided, batch) not in self._mixtures:
            self._mixtures[guided, batch] = self._mixture(batch, guided=guided)
        mixture = self._mixtures[guided, batch]
        data, plain = mixture.estimate(self.denoiser, noised, t)
        if not guided or self.rescale is None:
            return data
        return self.rescale.rescale(data, plain, noised, t)

    def _mixture(self, batch: int, *, guided: bool) -> _Mixture:
        parts, weights = self.parts, thin_kept(self.parts.maps.double(), self.grid)  # (P, h, w)
        rows: dict[tuple[int, float], _Row] = {}

        def count(one: Conditioning, told: float, share: Tensor, plain: Tensor) -> None:
            key = (id(one), told if self.told else 1.0)
            row = rows.setdefault(key, _Row(one, key[1], torch.zeros_like(share), torch.zeros_like(share)))
            row.share += share
            row.plain += plain

        each = zip(parts.positives, parts.negatives, parts.guidances, parts.shares, weights, strict=True)
        for positive, negative, guidance, share, weight in each:
            acting = guidance if guided else 1.0
            scale = share if self.told else share * acting
            count(positive, acting, weight * scale, weight * share)
            count(negative, 1.0, weight * (1.0 - scale), weight * (1.0 - share))
        rest = 1.0 - weights.sum(dim=0)
        if float(rest.abs().max()) > ROUNDING:
            count(parts.negatives[0], 1.0, rest, rest)
        tamed = guided and self.rescale is not None
        kept = [row for row in rows.values() if bool(row.share.any()) or (tamed and bool(row.plain.any()))]
        kept.sort(key=lambda row: row.conditioning.adapters)  # those that act with the same ones go together
        rows_of = [row.conditioning_of(batch, told=self.told) for row in kept]
        shares, plains = (
            torch.stack(maps)[:, None, None].float() for maps in zip(*((r.share, r.plain) for r in kept), strict=True)
        )
        alike = (list(group) for _, group in groupby(rows_of, key=lambda one: one.adapters))
        batches = (group[start : start + ROWS_AT_ONCE] for group in alike for start in range(0, len(group), ROWS_AT_ONCE))
        joined = [Conditioning.cat(several) for several in batches]
        return _Mixture(joined, shares, plains if tamed else shares)


@dataclass(eq=False)
class _Row:
    """One conditioning, the scale it is told, and how much its estimate counts where: (height, width), guided and not."""

    conditioning: Conditioning
    scale: float
    share: Tensor
    plain: Tensor

    def conditioning_of(self, batch: int, *, told: bool) -> Conditioning:
        """For so many samples."""
        one = replace(self.conditioning, guidance=torch.tensor([self.scale])) if told else self.conditioning
        return one.expand(batch)


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Conditionings in batches, and how much each counts where: (rows, 1, 1, height, width), guided and not."""

    conditionings: list[Conditioning]
    shares: Tensor
    plains: Tensor

    def estimate(self, denoiser: Denoiser, noised: Latent, t: Times) -> tuple[Latent, Latent]:
        """The mixed estimate of (batch, channels, height, width), guided and not."""
        found = []
        for conditioning in self.conditionings:
            rows = (conditioning.batch or noised.shape[0]) // noised.shape[0]
            data = denoiser(noised.repeat(rows, 1, 1, 1), t.repeat(rows), conditioning)
            found.append(data.unflatten(0, (rows, noised.shape[0])))  # (rows, B, C, h, w)
        estimates = torch.cat(found)
        data = (self.shares.to(estimates) * estimates).sum(dim=0)
        return data, data if self.plains is self.shares else (self.plains.to(estimates) * estimates).sum(dim=0)
