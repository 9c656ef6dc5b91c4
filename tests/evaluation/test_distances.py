"""KID and the Frechet distance against closed forms, naive loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from ildm.core.errors import DataError, ShapeError
from ildm.evaluation.distances import (
    frechet_distance,
    kernel_distance,
    kernel_distance_interval,
    principal_directions,
)


@pytest.fixture
def draws():
    return torch.Generator().manual_seed(0)


def test_kernel_distance_matches_a_naive_loop(draws):
    ours, reference = torch.randn(5, 3, generator=draws), torch.randn(7, 3, generator=draws) + 1

    def kernel(x, y):
        return (float(x.double() @ y.double()) / 3 + 1) ** 3

    def within(rows):
        pairs = [kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return sum(pairs) / len(pairs)

    across = sum(kernel(x, y) for x in ours for y in reference) / 35
    assert kernel_distance(ours, reference) == pytest.approx(within(ours) + within(reference) - 2 * across)


def test_kernel_distance_is_unbiased_under_one_distribution(draws):
    values = [kernel_distance(torch.randn(20, 4, generator=draws), torch.randn(20, 4, generator=draws)) for _ in range(300)]
    values = torch.tensor(values)
    assert abs(values.mean()) < 3 * values.std() / 300**0.5
    assert (values < 0).float().mean() > 0.3


def test_the_interval_is_as_wide_as_fresh_samples_spread(draws):
    def fresh():
        return torch.randn(100, 4, generator=draws), torch.randn(100, 4, generator=draws) + 0.7

    spread = torch.tensor([kernel_distance(*fresh()) for _ in range(100)]).std().item()
    sides = [kernel_distance_interval(*fresh()) for _ in range(20)]
    width = sum(high - low for low, high in sides) / len(sides)
    assert width == pytest.approx(2 * 1.96 * spread, rel=0.25)


def test_frechet_distance_matches_scipy(draws):
    mixing = torch.randn(6, 6, generator=draws)
    ours, reference = torch.randn(50, 6, generator=draws) @ mixing, torch.randn(40, 6, generator=draws) + 0.5
    covariances = np.cov(ours.double().numpy().T), np.cov(reference.double().numpy().T)
    gap = (ours.double().mean(0) - reference.double().mean(0)).square().sum().item()
    expected = gap + np.trace(covariances[0] + covariances[1] - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    assert frechet_distance(ours, reference) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("rank", "rank_reference"), [(8, 8), (3, 8), (3, 3), (1, 4)])
def test_frechet_distance_matches_scipy_where_covariances_are_singular(draws, rank, rank_reference):
    """Random Gaussians in eight dimensions, flat in some: what FID does whenever there are fewer images than features."""

    def sample(count, rank):
        return torch.randn(count, rank, generator=draws).double() @ torch.randn(rank, 8, generator=draws).double()

    ours, reference = sample(60, rank) + 0.3, sample(50, rank_reference)
    one, other = np.cov(ours.numpy().T), np.cov(reference.numpy().T)
    # the root of one covariance first: scipy finds none of a product that is singular and not symmetric
    root = sqrtm(one + 1e-14 * np.eye(8)).real
    overlap = np.trace(sqrtm(root @ other @ root + 1e-14 * np.eye(8)).real)
    gap = (ours.mean(dim=0) - reference.mean(dim=0)).square().sum().item()
    assert frechet_distance(ours, reference) == pytest.approx(gap + np.trace(one) + np.trace(other) - 2 * overlap, rel=1e-5)


def test_frechet_distance_of_a_shift_is_its_square(draws):
    rows = torch.randn(100, 5, generator=draws)
    assert frechet_distance(rows + 2, rows) == pytest.approx(4 * 5, rel=1e-5)
    assert frechet_distance(3 * rows, rows) == pytest.approx(
        (4 * torch.cov(rows.double().T).trace() + (2 * rows.double().mean(0)).square().sum()).item(), rel=1e-5
    )


def test_frechet_distance_survives_fewer_images_than_features(draws):
    rows = torch.randn(10, 40, generator=draws)
    assert frechet_distance(rows, rows) == pytest.approx(0, abs=1e-5)


def test_principal_components_ignore_where_the_reference_does_not_vary(draws):
    rows = torch.randn(200, 6, generator=draws) * torch.tensor([5.0, 4, 3, 0.1, 0.1, 0.1])
    moved_small, moved_large = rows.clone(), rows.clone()
    moved_small[:, 5] += 10
    moved_large[:, 0] += 10

    def along(moved, components):
        basis = principal_directions(rows, components)
        torch.testing.assert_close(basis.T @ basis, torch.eye(components, dtype=torch.float64))
        return frechet_distance(moved.double() @ basis, rows.double() @ basis)

    assert along(moved_small, 3) < 1
    assert along(moved_large, 3) == pytest.approx(100, rel=0.02)
    assert along(moved_small, 6) == pytest.approx(100, rel=0.02)


@pytest.mark.parametrize("distance", [kernel_distance, frechet_distance])
def test_bad_tables_are_refused(distance):
    with pytest.raises(ShapeError, match=r"same width"):
        distance(torch.zeros(5, 3), torch.zeros(5, 4))
    with pytest.raises(DataError, match="at least two images"):
        distance(torch.zeros(1, 3), torch.zeros(5, 3))
