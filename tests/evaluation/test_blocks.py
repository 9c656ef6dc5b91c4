"""Figures made a few rows at a time are those of whole tables, and no table of all pairs is ever there."""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ildm.evaluation import blocks
from ildm.evaluation.blocks import row_blocks
from ildm.evaluation.distances import kernel_distance, kernel_distance_interval
from ildm.evaluation.intervals import bootstrap_mean, bootstrap_ratio
from ildm.evaluation.neighbours import neighbourhood

_COUNT, _OTHERS, _MOST = 120, 90, 500


class Largest(TorchDispatchMode):
    """Notes how many numbers the largest tensor had that was made within."""

    def __init__(self):
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        tensors = made if isinstance(made, list | tuple) else [made]
        self.size = max([self.size, *(one.numel() for one in tensors if isinstance(one, torch.Tensor))])
        return made


@pytest.fixture
def sides():
    draws = torch.Generator().manual_seed(0)
    return torch.randn(_COUNT, 3, generator=draws), torch.randn(_OTHERS, 3, generator=draws) + 0.4


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(blocks, "MOST", _MOST)


def test_blocks_take_every_row_once_and_none_is_too_large(few):
    parts = list(row_blocks(_COUNT, 90))
    assert [row for part in parts for row in range(part.start, part.stop)] == list(range(_COUNT))
    assert max(part.stop - part.start for part in parts) == 5
    # a row is the least
    assert list(row_blocks(2, 10 * _MOST)) == [slice(0, 1), slice(1, 2)]
    assert list(row_blocks(0, 3)) == []


def direct_kernels(ours, reference):
    def kernel(x, y):
        return (x.double() @ y.double().T / x.shape[1] + 1) ** 3

    return kernel(ours, ours).fill_diagonal_(0), kernel(reference, reference).fill_diagonal_(0), kernel(ours, reference)


def test_the_kernel_distance_is_that_of_whole_tables(few, sides):
    mine, theirs, across = direct_kernels(*sides)
    direct = mine.sum() / (_COUNT * (_COUNT - 1)) + theirs.sum() / (_OTHERS * (_OTHERS - 1)) - 2 * across.mean()
    assert kernel_distance(*sides) == pytest.approx(direct.item(), rel=1e-10)


def test_its_interval_is_that_of_whole_tables(few, sides):
    mine, theirs, across = direct_kernels(*sides)
    draws = torch.Generator().manual_seed(5)
    ours, others = (
        (torch.rand(30, count, generator=draws).argsort(dim=1) < count // 2).double() for count in (_COUNT, _OTHERS)
    )
    n, m = _COUNT // 2, _OTHERS // 2
    estimates = (
        ((ours @ mine) * ours).sum(dim=1) / (n * (n - 1))
        + ((others @ theirs) * others).sum(dim=1) / (m * (m - 1))
        - 2 * ((ours @ across) * others).sum(dim=1) / (n * m)
    )
    direct = estimates.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    assert kernel_distance_interval(*sides, subsets=30, seed=5) == pytest.approx(direct, rel=1e-10)


def test_neighbours_are_those_of_whole_tables(monkeypatch, sides):
    whole = neighbourhood(*sides)
    monkeypatch.setattr(blocks, "MOST", _MOST)
    parts = neighbourhood(*sides)
    for name in ("precise", "recalled", "covered", "density"):
        assert torch.equal(getattr(parts, name), getattr(whole, name))


def test_resamples_are_those_of_one_draw(few):
    values = torch.randn(_COUNT, generator=torch.Generator().manual_seed(1)).double()
    chosen = torch.randint(_COUNT, (300, _COUNT), generator=torch.Generator().manual_seed(7))
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    assert bootstrap_mean(values, resamples=300, seed=7) == pytest.approx(
        values[chosen].mean(dim=1).quantile(ends).tolist(), rel=1e-12
    )
    there = values.abs() + 1
    ratios = values[chosen].sum(dim=1) / there[chosen].sum(dim=1)
    assert bootstrap_ratio(values, there, resamples=300, seed=7) == pytest.approx(ratios.quantile(ends).tolist(), rel=1e-12)


@pytest.mark.parametrize(
    "measure",
    [
        kernel_distance,
        lambda ours, reference: kernel_distance_interval(ours, reference, subsets=10),
        neighbourhood,
        lambda ours, _: bootstrap_mean(ours[:, 0], resamples=1000),
        lambda ours, _: bootstrap_ratio(ours[:, 0], ours[:, 1].abs(), resamples=1000),
    ],
    ids=["distance", "its interval", "neighbours", "mean", "ratio"],
)
def test_no_table_of_all_pairs_is_made(few, sides, measure):
    with Largest() as largest:
        measure(*sides)
    # what grows with the images themselves: a number for each resample, a mark for each image in each of ten halves
    assert _MOST / 2 < largest.size <= 10 * _COUNT
