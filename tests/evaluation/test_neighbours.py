"""Precision, recall, density and coverage against their definitions and on cases whose answer is known."""

from __future__ import annotations

import pytest
import torch

from ildm.core.errors import DataError
from ildm.evaluation.neighbours import neighbourhood


@pytest.fixture
def draws():
    return torch.Generator().manual_seed(0)


def test_it_matches_a_naive_loop(draws):
    ours, reference, k = torch.randn(30, 2, generator=draws), torch.randn(25, 2, generator=draws) + 0.5, 3

    def gap(x, y):
        return float((x.double() - y.double()).norm())

    def radius(rows, index):
        return sorted(gap(rows[index], other) for j, other in enumerate(rows) if j != index)[k - 1]

    real = [radius(reference, j) for j in range(len(reference))]
    mine = [radius(ours, i) for i in range(len(ours))]
    found = neighbourhood(ours, reference, k=k)
    holders = [[gap(x, y) <= real[j] for j, y in enumerate(reference)] for x in ours]
    assert found.precise.tolist() == [any(row) for row in holders]
    assert found.density.tolist() == pytest.approx([sum(row) / k for row in holders])
    assert found.covered.tolist() == [any(column) for column in zip(*holders, strict=True)]
    assert found.recalled.tolist() == [any(gap(x, y) <= mine[i] for i, x in enumerate(ours)) for y in reference]


def test_one_distribution_scores_high_on_all(draws):
    found = neighbourhood(torch.randn(400, 2, generator=draws), torch.randn(400, 2, generator=draws))
    assert found.precise.float().mean() > 0.9 and found.recalled.float().mean() > 0.9
    assert found.density.mean() == pytest.approx(1, abs=0.15)


def test_collapse_keeps_precision_and_loses_recall_and_coverage(draws):
    reference = torch.randn(300, 2, generator=draws)
    collapsed = reference[:1] + 1e-4 * torch.randn(300, 2, generator=draws)
    found = neighbourhood(collapsed, reference)
    assert found.precise.all()
    assert found.recalled.float().mean() < 0.05 and found.covered.float().mean() < 0.1


def test_far_images_are_neither_precise_nor_recalled(draws):
    found = neighbourhood(torch.randn(50, 2, generator=draws) + 100, torch.randn(50, 2, generator=draws))
    assert not found.precise.any() and not found.recalled.any()


def test_too_few_images_are_refused():
    with pytest.raises(DataError, match="more than 3 images"):
        neighbourhood(torch.zeros(3, 2), torch.zeros(9, 2))
