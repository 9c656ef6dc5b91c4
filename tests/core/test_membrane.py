import pytest
import torch

from ildm.core.membrane import membrane

BYTE = 1 / 127.5  # of a value in [-1, 1]


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def square(side: int, margin: int) -> torch.Tensor:
    area = torch.zeros(side, side, dtype=torch.bool)
    area[margin : side - margin, margin : side - margin] = True
    return area


@pytest.mark.parametrize("side", [96, 512])
def test_a_harmonic_function_is_its_own_membrane(side):
    down, across = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    values = torch.stack([across, across**2 - down**2, across * down, across**3 - 3 * across * down**2]) / 2
    area = square(side, side // 8)
    assert torch.allclose(membrane(torch.where(area, torch.nan, values), area), values, atol=BYTE / 2)


def test_every_value_inside_is_the_mean_of_its_neighbours():
    values, area = noise(2, 33, 46), noise(33, 46, seed=1) > -0.6  # three quarters, in every shape
    made = membrane(values, area)
    wide = torch.nn.functional.pad(made[None], (1, 1, 1, 1), mode="replicate")[0]
    means = (wide[:, 1:-1, 2:] + wide[:, 1:-1, :-2] + wide[:, 2:, 1:-1] + wide[:, :-2, 1:-1]) / 4
    assert torch.allclose(made[:, area], means[:, area], atol=BYTE)
    assert torch.equal(made[:, ~area], values[:, ~area])
    assert made.min() >= values[:, ~area].min() - BYTE
    assert made.max() <= values[:, ~area].max() + BYTE


def test_what_lies_inside_is_not_looked_at():
    values, area = noise(1, 20, 20), square(20, 5)
    assert torch.equal(membrane(values, area), membrane(torch.where(area, -3.0, values), area))


def test_beyond_the_edge_lies_what_lies_at_it():
    area = torch.zeros(8, 12, dtype=torch.bool)
    area[:, 4:] = True  # a hole that reaches three edges continues its one border
    values = torch.full((1, 8, 12), 0.25)
    assert torch.allclose(membrane(torch.where(area, 0.9, values), area), values, atol=BYTE / 10)


def test_all_and_nothing():
    values = noise(3, 6, 7)
    assert torch.equal(membrane(values, torch.zeros(6, 7, dtype=torch.bool)), values)
    assert torch.equal(membrane(values, torch.ones(6, 7, dtype=torch.bool)), torch.zeros_like(values))
