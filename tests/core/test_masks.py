"""Soft masks at other resolutions: averages, and what is narrower than a cell."""

from __future__ import annotations

import pytest
import torch

from ildm.core.masks import area_average, thin_kept


def stripe(size: int, left: int, width: int) -> torch.Tensor:
    """A ground and a column on it, (2, size, size)."""
    column = torch.zeros(size, size, dtype=torch.float64)
    column[:, left : left + width] = 1.0
    return torch.stack([1.0 - column, column])


@pytest.mark.parametrize("left", [0, 100, 248, 496])
def test_a_column_of_16_pixels_rules_somewhere_at_every_level_of_a_512_pixel_picture(left: int) -> None:
    for cells in (64, 32, 16, 8):
        shares = thin_kept(stripe(512, left, 16), (cells, cells))
        assert shares[1].amax(dim=1).min() > 0.5, (cells, "the column")
        torch.testing.assert_close(shares.sum(dim=0), torch.ones(cells, cells, dtype=torch.float64), atol=1e-12, rtol=0)


def test_a_column_is_wider_than_half_a_cell_by_averages_alone() -> None:
    """The control: without the rule it would be a sixteenth to a quarter of a cell."""
    assert area_average(stripe(512, 248, 16), (8, 8))[1].max() < 0.26


def test_what_is_wide_enough_is_averaged() -> None:
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(3, 4, 4, generator=generator, dtype=torch.float64).softmax(dim=0)
    shares = shares.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)  # 32x32 of even patches
    torch.testing.assert_close(thin_kept(shares, (4, 4)), area_average(shares, (4, 4)), atol=1e-12, rtol=0)
    left = stripe(64, 0, 32)
    torch.testing.assert_close(thin_kept(left, (8, 8)), area_average(left, (8, 8)), atol=1e-12, rtol=0)


def test_many_thin_areas_divide_their_cells() -> None:
    """Sixteen columns of a pixel each over a 16-pixel picture, seen at 4x4: four in each cell, nothing of the ground."""
    columns = torch.eye(16, dtype=torch.float64)[:, None].expand(16, 16, 16)
    shares = thin_kept(torch.cat([torch.zeros(1, 16, 16, dtype=torch.float64), columns]), (4, 4))
    torch.testing.assert_close(shares[1:].amax(dim=(1, 2)), torch.full((16,), 0.25, dtype=torch.float64))
    assert shares[0].abs().max() < 1e-12


@pytest.mark.parametrize("size", [(3, 5), (16, 16), (40, 24)])
def test_sums_stay_those_of_the_averages(size: tuple[int, int]) -> None:
    weights = torch.rand(5, 20, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)  # sums above one, too
    found = thin_kept(weights, size)
    torch.testing.assert_close(found.sum(dim=0), area_average(weights, size).sum(dim=0), atol=1e-12, rtol=0)
    assert found.min() >= 0.0


def test_an_area_that_is_nowhere_stays_nowhere() -> None:
    weights = torch.cat([torch.ones(1, 8, 8), torch.zeros(2, 8, 8)])
    assert torch.equal(thin_kept(weights, (4, 4)), area_average(weights, (4, 4)))
    assert torch.equal(thin_kept(weights[:1], (4, 4)), torch.ones(1, 4, 4))


def test_weights_stay_exact_where_a_network_computes_in_bfloat16() -> None:
    weights = torch.rand(3, 60, 60, generator=torch.Generator().manual_seed(0)).softmax(dim=0)
    with torch.autocast("cpu", torch.bfloat16):
        found = thin_kept(weights, (16, 16))
    assert found.dtype == torch.float32
    assert found.equal(thin_kept(weights, (16, 16)))
