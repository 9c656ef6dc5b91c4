"""References are a value: they join, slice and move as a whole, and keep their noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ildm.core.errors import ShapeError
from ildm.core.references import References
from ildm.core.types import Conditioning

CHANNELS, SIDE = 4, 8
WEIGHTS = torch.tensor([[1.0, 0.3], [0.0, 2.0]])


def references(weights: Tensor, queries: Tensor | None = None) -> References:
    batch, count = weights.shape[:2]
    return References(
        latents=torch.randn(batch, count, CHANNELS, SIDE, SIDE),
        weights=weights,
        seeds=torch.arange(batch * count).reshape(batch, count),
        queries=queries,
    )


def test_missing_references_are_padded_with_some_of_weight_0() -> None:
    liked = references(torch.ones(1, 2), queries=torch.zeros(1, 4, 4))
    masked = references(torch.full((1, 1, 8, 8), 0.5))
    context = torch.randn(1, 7, 12)
    parts = [Conditioning(context=context, references=given) for given in (liked, None, masked)]
    joined = Conditioning.cat(parts)
    assert joined.batch == 3
    found = joined.references
    assert found is not None
    assert found.latents.shape == (3, 2, CHANNELS, SIDE, SIDE)
    assert torch.equal(found.latents[0], liked.latents[0])
    assert torch.equal(found.latents[2, :1], masked.latents[0])
    assert found.weights[..., 0, 0].tolist() == [[1, 1], [0, 0], [0.5, 0]]
    assert found.weights.shape == (3, 2, 8, 8)
    assert found.seeds.tolist() == [[0, 1], [0, 0], [0, 0]]
    assert found.queries is not None
    assert found.queries[0].max() == 0
    assert found.queries[2].min() == 1


def test_an_empty_half_of_an_unconditional_model_joins_too() -> None:
    liked = Conditioning(references=references(torch.ones(2, 1)))
    for parts in ([liked, Conditioning()], [Conditioning(), liked]):
        joined = Conditioning.cat(parts)
        assert joined.batch == 4
        assert joined.references is not None
        assert joined.references.weights.sum(dim=1).tolist() == ([1, 1, 0, 0] if parts[0] is liked else [0, 0, 1, 1])


def test_references_travel_with_a_conditioning() -> None:
    whole = Conditioning(references=references(WEIGHTS, queries=torch.ones(2, 16, 16))).to("cpu", torch.float64)
    assert whole.batch == 2
    assert whole.references is not None
    assert whole.references.latents.dtype == torch.float64
    assert whole.references.seeds.dtype == torch.int64
    part = whole[1:].references
    assert part is not None
    assert part.weights.tolist() == WEIGHTS[1:].tolist()
    assert part.queries is not None
    assert part.queries.shape == (1, 16, 16)


def test_noise_is_that_of_the_seed_wherever_it_stands() -> None:
    first = references(WEIGHTS)
    again = replace(first, seeds=torch.tensor([[7, 3], [0, 7]]), latents=first.latents * 2)
    assert torch.equal(again.noise[0, 0], again.noise[1, 1])
    assert torch.equal(again.noise[0, 1], first.noise[1, 1])
    assert torch.equal(again.noise[1, 0], first.noise[0, 0])
    assert abs(float(first.noise.std()) - 1) < 0.1


@pytest.mark.usefixtures("shapes_unchecked")
@pytest.mark.parametrize(
    "change",
    [
        {"latents": torch.zeros(2, 4, 8, 8)},
        {"latents": torch.zeros(2, 3, 4, 8, 8)},
        {"weights": torch.zeros(2, 2, 8)},
        {"seeds": torch.zeros(2, 1, dtype=torch.int64)},
        {"queries": torch.zeros(1, 8, 8)},
        {"latents": torch.zeros(2, 0, 4, 8, 8), "weights": torch.zeros(2, 0), "seeds": torch.zeros(2, 0, dtype=torch.int64)},
    ],
    ids=lambda change: "-".join(change),
)
def test_references_that_do_not_belong_together_are_refused(change: dict[str, Tensor]) -> None:
    with pytest.raises(ShapeError, match="References are latents"):
        replace(references(WEIGHTS), **change)


def test_what_cannot_be_joined_is_told() -> None:
    one = references(torch.ones(1, 1))
    small = replace(one, latents=torch.zeros(1, 1, CHANNELS, 4, 4))
    with pytest.raises(ShapeError, match="need latents of one size"):
        References.cat([one, small], [1, 1])
    fine, coarse = (replace(one, weights=torch.ones(1, 1, side, side)) for side in (8, 4))
    with pytest.raises(ShapeError, match="need weights of one size"):
        References.cat([fine, coarse], [1, 1])
    with pytest.raises(ShapeError, match="for how many it stands"):
        Conditioning.cat([Conditioning(references=one), Conditioning(references=references(WEIGHTS)), Conditioning()])
