"""Figures that count several things of one image: the same values as before, and intervals that hold the truth as often as they say."""

from __future__ import annotations

import pytest
import torch

from ildm.evaluation.estimates import mean, mean_of_things, share, share_of_things
from ildm.evaluation.intervals import clustered_wilson, wilson

_IMAGES, _TURNS = 60, 250


def drawn(generator):
    """Images of one to four things that succeed together: the share of an image is near 0 or near 1, 0.6 on average."""
    sizes = torch.randint(1, 5, (_IMAGES,), generator=generator)
    good = torch.rand(_IMAGES, generator=generator) < 0.6
    chances = torch.where(good, 0.95, 0.075).repeat_interleave(sizes)
    return torch.rand(len(chances), generator=generator) < chances, sizes.tolist()


TRUTH = 0.6 * 0.95 + 0.4 * 0.075


def coverage(estimate):
    generator = torch.Generator().manual_seed(0)
    intervals = [estimate(*drawn(generator)).interval for _ in range(_TURNS)]
    return sum(low <= TRUTH <= high for low, high in intervals) / _TURNS


def test_the_share_of_things_is_held_as_often_as_it_says():
    assert 0.92 <= coverage(share_of_things) <= 0.98
    # as if things of one image were independent
    assert coverage(lambda found, _: share(found)) < 0.88


def test_the_mean_of_things_is_held_as_often_as_it_says():
    assert 0.92 <= coverage(lambda found, sizes: mean_of_things(found.double(), sizes)) <= 0.98
    assert coverage(lambda found, _: mean(found.double())) < 0.88


def test_values_and_counts_are_those_of_things_one_by_one():
    found, sizes = drawn(torch.Generator().manual_seed(3))
    ours, plain = share_of_things(found, sizes), share(found)
    assert (ours.value, ours.count) == (plain.value, plain.count) == (found.double().mean().item(), sum(sizes))
    values = torch.rand(sum(sizes), generator=torch.Generator().manual_seed(4))
    ours, plain = mean_of_things(values, sizes), mean(values)
    assert (ours.value, ours.count) == (plain.value, plain.count)
    assert ours.interval[0] < ours.value < ours.interval[1]


def test_images_without_things_change_nothing():
    found = torch.tensor([True, False, True, True])
    assert share_of_things(found, [0, 3, 0, 1]) == share_of_things(found, [3, 1])
    assert mean_of_things(found.double(), [0, 3, 0, 1]) == mean_of_things(found.double(), [3, 1])
    assert share_of_things(found[:0], [0, 0]).interval == (0.0, 1.0)


def test_things_that_share_nothing_have_wilsons_interval_about():
    hits = (torch.rand(400, generator=torch.Generator().manual_seed(5)) < 0.3).double()
    assert clustered_wilson(hits, torch.ones(400)) == pytest.approx(wilson(int(hits.sum()), 400), abs=1e-3)


def test_where_all_succeed_images_count_and_not_things():
    sizes = torch.full((10,), 4.0)
    assert clustered_wilson(sizes, sizes) == wilson(10, 10)
    assert clustered_wilson(0 * sizes, sizes) == wilson(0, 10)
    # all the same in every image: no more than there are
    assert clustered_wilson(sizes / 2, sizes) == wilson(20, 40)
    assert clustered_wilson(torch.tensor([2.0]), torch.tensor([4.0])) == wilson(0.5, 1)
