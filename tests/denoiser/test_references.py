"""Self-attention that reads references: exactly what its weights say, and exactly nothing where they are not seen."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.masks import area_average
from ildm.denoiser.attended import Attended, Beside
from ildm.denoiser.attention import SelfAttention, attend_rows
from ildm.denoiser.inference import FusedSelfAttention
from ildm.denoiser.references import companions
from ildm.denoiser.transformer import AttentionBlock

CHANNELS = 16


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def looped(query: Tensor, key: Tensor, value: Tensor, who: list[list[int]], weight: Tensor) -> Tensor:
    """Attention of each row over the rows in `who`, one number at a time; weight is (readers, read rows, positions)."""
    found = torch.zeros_like(query)
    for row, read in enumerate(who):
        for head in range(query.shape[1]):
            for position in range(query.shape[2]):
                total = 0.0
                for place, other in enumerate(read):
                    for seen in range(key.shape[2]):
                        score = float(query[row, head, position] @ key[other, head, seen]) / math.sqrt(query.shape[3])
                        share = float(weight[row, place, seen]) * math.exp(score)
                        found[row, head, position] += share * value[other, head, seen]
                        total += share
                found[row, head, position] /= total
    return found


def test_weighted_references_equal_the_loop() -> None:
    query, key, value = (random(5, 2, 6, 4, seed=seed, dtype=torch.float64) for seed in range(3))
    maps = torch.rand(2, 2, 2, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 3
    maps[0, 1, 0] = 0  # some positions are absent
    maps[1, 0] = 0  # and one reference
    going = companions(maps, None, [(2, 3)])
    assert going is not None
    assert list(zip(going.owners.tolist(), going.places.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1)]
    weight = torch.ones(5, 3, 6, dtype=torch.float64)
    weight[:2, 1:] = maps.flatten(2)
    who = [[0, 2, 3], [1, 0, 4], [2], [3], [4]]
    found = attend_rows(query, key, value, going.beside[2, 3])
    torch.testing.assert_close(found, looped(query, key, value, who, weight), atol=1e-10, rtol=0)


def layer_inputs() -> tuple[Tensor, Beside, Tensor]:
    """Rows of two samples and their references, who reads whom, and (4, 4) where it is read."""
    queries = torch.zeros(2, 8, 8)
    queries[:, 3:, 2:] = torch.rand(2, 5, 6, generator=torch.Generator().manual_seed(0))
    going = companions(torch.tensor([[1.0, 0.5], [4.0, 0.0]]), queries, [(4, 4)])
    assert going is not None
    return random(5, 16, CHANNELS), going.beside[4, 4], area_average(queries, (4, 4))


@pytest.mark.parametrize("qk_norm", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_where_references_are_not_seen_a_layer_is_exactly_as_without(qk_norm: bool, fused: bool) -> None:
    torch.manual_seed(0)
    layer = SelfAttention(CHANNELS, 2, qk_norm=qk_norm).requires_grad_(False)
    layer = FusedSelfAttention(layer) if fused else layer
    x, beside, seen = layer_inputs()
    difference = (layer(x, beside) - layer(x)).abs().amax(dim=2)
    hidden = seen.flatten(1) == 0
    assert 0 < hidden.sum() < hidden.numel()
    assert difference[:2][hidden].max() == 0
    assert difference[:2][~hidden].min() > 1e-5
    assert difference[2:].max() == 0  # references read nothing but themselves


def test_plain_attention_reads_references_like_the_transformers() -> None:
    torch.manual_seed(0)
    block = AttentionBlock(CHANNELS, 2, groups=4).requires_grad_(False)
    torch.nn.init.normal_(block.to_out.weight)
    x, beside, seen = layer_inputs()
    grid = x.unflatten(1, (4, 4)).permute(0, 3, 1, 2)
    with_them, without = (block(grid, Attended((), None, {}, read)).permute(0, 2, 3, 1) for read in ({(4, 4): beside}, None))
    difference = (with_them - without).abs().amax(dim=3)
    assert difference[:2][seen == 0].max() == 0
    assert difference[:2][seen > 0].min() > 1e-5


def test_a_half_seen_position_lies_between() -> None:
    query, key, value = (random(3, 2, 4, 4, seed=seed, dtype=torch.float64) for seed in range(3))

    def read(share: float) -> Tensor:
        queries = torch.full((1, 2, 2), share, dtype=torch.float64)
        going = companions(torch.ones(1, 2, dtype=torch.float64), queries, [(2, 2)])
        assert going is not None
        return attend_rows(query, key, value, going.beside[2, 2])

    torch.testing.assert_close(read(0.25), 0.75 * read(0.0) + 0.25 * read(1.0), atol=1e-12, rtol=0)


def test_gradients_in_bfloat16_pass_through_references() -> None:
    query, key, value = (random(3, 2, 4, 4, seed=seed).bfloat16().requires_grad_() for seed in range(3))
    going = companions(torch.tensor([[1.0, 0.5]]), None, [(2, 2)])
    assert going is not None
    attend_rows(query, key, value, going.beside[2, 2]).float().square().sum().backward()
    assert key.grad is not None
    assert key.grad[1:].abs().min() > 0


@pytest.mark.parametrize("weight", [-0.1, math.nan, math.inf])
def test_weights_are_numbers_of_0_or_more(weight: float) -> None:
    with pytest.raises(ConfigError, match="0 or more"):
        companions(torch.tensor([[1.0, weight]]), None, [(4, 4)])
