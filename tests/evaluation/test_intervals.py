"""The intervals hold the truth about as often as they claim to."""

from __future__ import annotations

import pytest
import torch

from ildm.evaluation.intervals import bootstrap_mean, bootstrap_ratio, jackknife, t_interval, wilson


def test_wilson_matches_the_published_example():
    # Newcombe 1998, table I: 81 of 263
    low, high = wilson(81, 263)
    assert low == pytest.approx(0.2553, abs=5e-5)
    assert high == pytest.approx(0.3662, abs=5e-5)


def test_wilson_stays_inside_and_open_at_the_ends():
    assert wilson(0, 50)[0] == 0.0 and 0.0 < wilson(0, 50)[1] < 0.1
    assert wilson(50, 50)[1] == pytest.approx(1.0) and 0.9 < wilson(50, 50)[0] < 1.0
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_of_a_mean_is_as_wide_as_the_normal_interval():
    values = torch.randn(400, generator=torch.Generator().manual_seed(1))
    low, high = bootstrap_mean(values)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std().item() / 20, rel=0.1)
    assert low < values.mean() < high


def test_jackknife_of_a_mean_difference_has_its_closed_form_width():
    draws = torch.Generator().manual_seed(2)
    widths = []
    for _ in range(40):
        ours, reference = torch.randn(200, 1, generator=draws), torch.randn(300, 1, generator=draws)
        low, high = jackknife(lambda x, y: (x.mean() - y.mean()).item(), ours, reference)
        widths.append((high - low) / 2)
    expected = 2.262 * (1 / 200 + 1 / 300) ** 0.5
    assert sum(widths) / len(widths) == pytest.approx(expected, rel=0.1)


def test_a_ratio_is_of_sums_and_its_interval_vanishes_where_all_have_the_same():
    low, high = bootstrap_ratio(torch.tensor([2.0, 4, 60]), torch.tensor([1.0, 2, 30]))
    assert low == high == 2
    draws = torch.Generator().manual_seed(3)
    there = torch.rand(400, generator=draws) + 0.5
    low, high = bootstrap_ratio(2 * there + 0.1 * torch.randn(400, generator=draws), there)
    # the error of the sum over the sum
    assert (high - low) / 2 == pytest.approx(1.96 * 0.1 * 20 / there.sum().item(), rel=0.15)


@pytest.mark.parametrize(("count", "quantile"), [(2, 12.706), (3, 4.303), (10, 2.262)])
def test_a_few_figures_have_students_interval(count, quantile):
    parts = torch.arange(count, dtype=torch.float64)
    low, high = t_interval(parts)
    assert (high - low) / 2 == pytest.approx(quantile * parts.std().item() / count**0.5, rel=1e-3)
    assert (low + high) / 2 == pytest.approx(parts.mean().item())
