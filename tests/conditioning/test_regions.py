"""Shares of regions against loops over pixels, and whose noise counts where."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from ildm.conditioning.ratios import split as split_ratios
from ildm.conditioning.regions import Overlap, Region, coverage, seed_areas, split
from ildm.core.errors import ConfigError, IldmError
from ildm.core.randomness import sample_noise

RULES = get_args(Overlap)


def painted(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """Soft overlapping masks, with whole and empty pixels among them."""
    values = torch.rand(count, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (values * 2.0 - 0.5).clamp(0.0, 1.0)


def looped(masks: Tensor, overlap: str, ratios: list[float]) -> Tensor:
    """The shares, pixel by pixel and region by region."""
    count, height, width = masks.shape
    shares = torch.zeros(count + 1, height, width, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            values = [float(masks[r, y, x]) for r in range(count)]
            left = 1.0
            if overlap == "z-order":
                for r in reversed(range(count)):
                    shares[r + 1, y, x] = values[r] * left
                    left *= 1.0 - values[r]
            else:
                divisor = max(1.0, sum(values)) if overlap == "normalise" else 1.0
                for r in range(count):
                    shares[r + 1, y, x] = values[r] / divisor
                left = max(0.0, 1.0 - sum(values))
            for r in range(count):
                moved = float(shares[r + 1, y, x]) * ratios[r]
                shares[r + 1, y, x] -= moved
                left += moved
            shares[0, y, x] = left
    return shares


@pytest.mark.parametrize("overlap", RULES)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_shares_equal_the_loop(overlap: Overlap, count: int) -> None:
    masks, ratios = painted(count, 7, 9, seed=count), [0.1 * (r + 1) for r in range(count)]
    torch.testing.assert_close(coverage(masks, overlap), looped(masks, overlap, [0.0] * count), atol=1e-12, rtol=0)
    torch.testing.assert_close(coverage(masks, overlap, ratios), looped(masks, overlap, ratios), atol=1e-12, rtol=0)


@given(count=st.integers(1, 6), seed=st.integers(0, 999), overlap=st.sampled_from(["normalise", "z-order"]))
def test_shares_sum_to_one(count: int, seed: int, overlap: Overlap) -> None:
    shares = coverage(painted(count, 6, 5, seed).float(), overlap)
    assert (shares.sum(dim=0) - 1.0).abs().max() < 1e-6
    assert shares.min() >= 0.0


def test_the_upper_region_wins_by_how_opaque_it_is() -> None:
    masks = torch.tensor([1.0, 0.25])[:, None, None].expand(2, 1, 1)
    assert coverage(masks, "z-order").flatten().tolist() == [0.0, 0.75, 0.25]
    assert coverage(masks, "normalise").flatten().tolist() == [0.0, 0.8, 0.2]
    assert coverage(masks, "add").flatten().tolist() == [0.0, 1.0, 0.25]


def test_a_soft_border_fades_into_the_base() -> None:
    assert coverage(torch.full((1, 1, 1), 0.3), "normalise").flatten().tolist() == pytest.approx([0.7, 0.3])


# --- noise -------------------------------------------------------------------------------------------------------------


def region(mask: Tensor, **fields: Any) -> Region:
    return Region(prompt="a thing", mask=mask, **fields)


def test_noise_equals_the_loop() -> None:
    """`n = sum_s M_s n_s / sqrt(sum_s M_s^2)`: M_s is the summed mask of all regions with seed s, and all the rest counts to the run's."""
    masks = painted(4, 6, 8, seed=3)
    regions = [region(mask, seed=seed) for mask, seed in zip(masks, [5, 9, None, 5], strict=True)]
    areas = seed_areas(regions, (6, 8))
    assert areas is not None
    found = sample_noise([7], 0, (3, 6, 8), areas=areas, dtype=torch.float64)[0]
    drawn = {seed: sample_noise([seed], 0, (3, 6, 8), dtype=torch.float64)[0] for seed in (5, 7, 9)}
    for y in range(6):
        for x in range(8):
            m = [float(masks[r, y, x]) for r in range(4)]
            mass = {5: m[0] + m[3], 9: m[1], 7: m[2] + max(0.0, 1.0 - sum(m))}
            length = math.sqrt(sum(value**2 for value in mass.values()))
            for channel in range(3):
                expected = sum(value * float(drawn[seed][channel, y, x]) for seed, value in mass.items()) / length
                assert abs(float(found[channel, y, x]) - expected) < 1e-6


def test_a_region_with_the_pictures_own_seed_changes_nothing() -> None:
    areas = seed_areas([region(painted(1, 8, 8)[0], seed=7)], (8, 8))
    assert areas is not None
    torch.testing.assert_close(sample_noise([7], 2, (4, 8, 8), areas=areas), sample_noise([7], 2, (4, 8, 8)), atol=1e-6, rtol=0)
    assert seed_areas([region(torch.ones(8, 8))], (8, 8)) is None


def test_noise_stays_unit_normal_where_seeds_mix() -> None:
    half = torch.full((64, 64), 0.5)
    areas = seed_areas([region(half, seed=1), region(half, seed=2)], (64, 64))
    assert areas is not None
    noise = sample_noise([3], 0, (8, 64, 64), areas=areas)
    assert abs(float(noise.std()) - 1.0) < 0.01


# --- bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"mask": torch.ones(3)},
        {"mask": torch.ones(0, 4)},
        {"mask": torch.ones(2, 2, dtype=torch.int64)},
        {"mask": torch.full((2, 2), 1.5)},
        {"mask": torch.full((2, 2), float("nan"))},
        {"strength": -1.0},
        {"base_ratio": 1.5},
        {"strength": float("inf")},
        {"guidance_scale": float("nan")},
        {"guidance_scale": -1.0},
        {"seed": -1},
        {"window": (5, 5)},
        {"window": (7, 2)},
        {"window": (-1, 2)},
    ],
)
def test_a_region_that_cannot_be_is_refused_in_one_sentence(fields: dict[str, Any]) -> None:
    with pytest.raises(IldmError) as refused:
        Region(**{"prompt": "a thing", "mask": torch.ones(2, 2), **fields})
    assert "came" in str(refused.value) or "given" in str(refused.value)


def test_windows_hold_steps_from_start_to_before_stop() -> None:
    one = region(torch.ones(2, 2), window=(2, 4))
    assert [one.acts_at(step) for step in range(6)] == [False, False, True, True, False, False]


def test_split_is_the_ratios_own() -> None:
    assert split is split_ratios
    assert split("1,3") == [(0.0, 0.0, 0.25, 1.0), (0.25, 0.0, 1.0, 1.0)]
    with pytest.raises(ConfigError):
        split("1,x")
