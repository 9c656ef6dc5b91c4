"""Noise belongs to a sample: same seed, same noise, whoever is beside it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.core.errors import ConfigError
from ildm.core.randomness import START_STREAM, sample_noise, step_stream
from ildm.core.seeds import MAX_SEED, check_seed, draw_seed


@given(st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=4), st.integers(0, 1000))
def test_a_sample_does_not_depend_on_its_neighbours(seeds, stream):
    together = sample_noise(seeds, stream, (2, 3))
    assert all(torch.equal(sample_noise([seed], stream, (2, 3))[0], row) for seed, row in zip(seeds, together, strict=True))


def test_streams_and_seeds_are_independent():
    drawn = [
        sample_noise([seed], stream, (4096,))[0] for seed in (0, 1) for stream in (START_STREAM, step_stream(0), step_stream(1))
    ]
    correlations = torch.corrcoef(torch.stack(drawn)) - torch.eye(6)
    assert correlations.abs().max() < 0.06
    assert all(abs(one.mean()) < 0.06 and abs(one.std() - 1) < 0.05 for one in drawn)


def test_the_noise_of_a_seed_never_changes():
    """Saved sessions and published seeds depend on these very numbers."""
    expected = torch.tensor([-0.2460, -2.3619, -0.4384])
    assert torch.allclose(sample_noise([7], START_STREAM, (3,))[0], expected, atol=1e-4)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_impossible_seeds_are_told(seed):
    with pytest.raises(ConfigError, match="whole number from 0"):
        check_seed(seed)


def test_drawn_seeds_are_usable_and_differ():
    seeds = {draw_seed() for _ in range(50)}
    assert len(seeds) > 45 and all(check_seed(seed) == seed for seed in seeds)
