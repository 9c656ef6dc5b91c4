"""Conditioning is a value: it joins, slices and moves as a whole."""

import pytest
import torch

from ildm.core.errors import ShapeError
from ildm.core.types import Conditioning, Regions


def conditioning(tokens=3, batch=2, **more):
    return Conditioning(context=torch.randn(batch, tokens, 4), **more)


def test_shorter_contexts_are_padded_with_masked_tokens():
    joined = Conditioning.cat([conditioning(3), conditioning(5)])
    assert joined.context.shape == (4, 5, 4) and joined.context_mask.sum(1).tolist() == [3, 3, 5, 5]
    assert not joined.context[0, 3:].any()


def test_equal_contexts_are_joined_as_they_are():
    parts = [conditioning(), conditioning()]
    joined = Conditioning.cat(parts)
    assert joined.context_mask is None and torch.equal(joined.context, torch.cat([part.context for part in parts]))


def test_parts_must_carry_the_same_fields():
    with pytest.raises(ShapeError, match="'pooled'"):
        Conditioning.cat([conditioning(), conditioning(pooled=torch.zeros(2, 3))])


def test_a_slice_takes_every_field():
    whole = conditioning(label=torch.tensor([1, 2]), concat=torch.zeros(2, 1, 4, 4))
    part = whole[1:]
    assert part.batch == 1 and part.label.tolist() == [2] and part.concat.shape[0] == 1 and whole.batch == 2


def test_only_floats_change_their_number_format():
    moved = conditioning(label=torch.tensor([1, 2]), context_mask=torch.ones(2, 3, dtype=torch.bool)).to("cpu", torch.float64)
    assert moved.context.dtype == torch.float64 and moved.label.dtype == torch.int64 and moved.context_mask.dtype == torch.bool


def test_regions_travel_with_it():
    regions = Regions(context=torch.zeros(1, 2, 3, 4), weights=torch.ones(1, 2, 8, 8))
    joined = Conditioning.cat([Conditioning(regions=regions)] * 2)
    assert joined.batch == 2 and joined.regions.weights.shape == (2, 2, 8, 8)
    assert joined.to("cpu", torch.float64).regions.context.dtype == torch.float64


def test_the_empty_conditioning_has_no_batch():
    assert Conditioning().batch is None and Conditioning.cat([Conditioning(), Conditioning()]) == Conditioning()


def test_regions_of_unlike_contexts_are_joined_with_masks():
    short = Regions(context=torch.ones(1, 2, 3, 4), weights=torch.ones(1, 2, 8, 8))
    mask = torch.tensor([[[True] * 4 + [False]] * 2])
    long = Regions(context=torch.ones(1, 2, 5, 4), weights=torch.ones(1, 2, 8, 8), context_mask=mask)
    joined = Conditioning.cat([Conditioning(regions=short), Conditioning(regions=long)]).regions
    assert joined.context.shape == (2, 2, 5, 4) and joined.context_mask.sum(-1).tolist() == [[3, 3], [4, 4]]
