"""Attention against plain loops in double precision, with and without regions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import ildm.denoiser.attention
from ildm.core.masks import area_average
from ildm.core.types import Regions
from ildm.denoiser.attended import Attended
from ildm.denoiser.attention import CrossAttention, SelfAttention, attend, attend_regions, read_context
from ildm.denoiser.blockwise import attend_in_blocks

BATCH, REGIONS, HEADS, HEAD_WIDTH, TOKENS = 2, 3, 2, 4, 5
GRID = (2, 3)
POSITIONS = GRID[0] * GRID[1]
CHANNELS, CONTEXT_WIDTH = HEADS * HEAD_WIDTH, 6


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def one_output(query: Tensor, keys: Tensor, values: Tensor, real: Tensor | None = None) -> Tensor:
    """Softmax attention of one query over the tokens that are real, one number at a time."""
    tokens = [token for token in range(len(keys)) if real is None or real[token]]
    scores = [math.exp(float(query @ keys[token]) / math.sqrt(len(query))) for token in tokens]
    found = torch.zeros_like(values[0])
    for score, token in zip(scores, tokens, strict=True):
        found += score / sum(scores) * values[token]
    return found


def looped(query: Tensor, key: Tensor, value: Tensor, weights: Tensor, real: Tensor | None) -> Tensor:
    """`o(p) = sum_r w_r(p) Attn(Q(p), K_r, V_r)` by loops; key, value and real have a region axis."""
    found = torch.zeros_like(query)
    for b in range(query.shape[0]):
        for r in range(weights.shape[1]):
            for h in range(query.shape[1]):
                for p in range(query.shape[2]):
                    mask = None if real is None else real[b, r]
                    found[b, h, p] += weights[b, r, p, 0] * one_output(query[b, h, p], key[b, r, h], value[b, r, h], mask)
    return found


@pytest.fixture(scope="module")
def regions() -> Regions:
    """Three overlapping soft regions at four times the resolution of the grid, two of them with padding tokens."""
    real = torch.ones(BATCH, REGIONS, TOKENS, dtype=torch.bool)
    real[:, 1, 3:] = real[0, 2, 1:] = False
    return Regions(
        context=random(BATCH, REGIONS, TOKENS, CONTEXT_WIDTH),
        weights=random(BATCH, REGIONS, 4 * GRID[0], 4 * GRID[1]).softmax(dim=1),
        context_mask=real,
    )


@pytest.fixture(scope="module")
def cross_attention() -> CrossAttention:
    torch.manual_seed(0)
    return CrossAttention(CHANNELS, HEADS, CONTEXT_WIDTH).double().requires_grad_(False)


def test_regions_equal_the_loop(regions: Regions) -> None:
    query = random(BATCH, HEADS, POSITIONS, HEAD_WIDTH)
    key, value = (random(BATCH, REGIONS, HEADS, TOKENS, HEAD_WIDTH, seed=seed) for seed in (1, 2))
    weights = area_average(regions.weights, GRID).flatten(2)[..., None]
    assert regions.context_mask is not None
    found = attend_regions(
        query,
        key.flatten(0, 1),
        value.flatten(0, 1),
        regions.context_mask.reshape(-1, 1, 1, TOKENS),
        weights.flatten(0, 1),
        [REGIONS] * BATCH,
    )
    torch.testing.assert_close(found, looped(query, key, value, weights, regions.context_mask), atol=1e-12, rtol=0)


def test_self_attention_equals_the_loop() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(CHANNELS, HEADS).double().requires_grad_(False)
    x = random(BATCH, POSITIONS, CHANNELS)
    found = torch.zeros_like(x)
    for b in range(BATCH):
        for head in range(HEADS):
            part = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
            query, key, value = (x[b] @ projection.weight[part].T for projection in (layer.to_q, layer.to_k, layer.to_v))
            for p in range(POSITIONS):
                found[b, p, part] = one_output(query[p], key, value)
    expected = found @ layer.to_out.weight.T + layer.to_out.bias
    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=0)


def test_one_region_everywhere_is_plain_cross_attention(cross_attention: CrossAttention) -> None:
    x, context = random(BATCH, POSITIONS, CHANNELS), random(BATCH, TOKENS, CONTEXT_WIDTH)
    whole = Regions(context=context[:, None], weights=torch.ones(BATCH, 1, 8, 12, dtype=torch.float64))
    plain = cross_attention(x, read_context([cross_attention], [GRID], context=context), GRID)
    regional = cross_attention(x, read_context([cross_attention], [GRID], regions=whole), GRID)
    torch.testing.assert_close(regional, plain, atol=1e-12, rtol=0)


def test_a_region_acts_only_where_its_weight_is(cross_attention: CrossAttention) -> None:
    x, contexts = random(BATCH, POSITIONS, CHANNELS), random(BATCH, 2, TOKENS, CONTEXT_WIDTH)
    weights = torch.zeros(BATCH, 2, *GRID, dtype=torch.float64)
    weights[:, 0, :, 0], weights[:, 1, :, 1:] = 1, 1

    def output(context: Tensor) -> Tensor:
        read = read_context([cross_attention], [GRID], regions=Regions(context=context, weights=weights))
        return cross_attention(x, read, GRID).unflatten(1, GRID)

    changed = contexts.clone()
    changed[:, 1] += 1
    difference = (output(changed) - output(contexts)).abs().amax(dim=(0, 1, 3))
    assert difference[0] == 0
    assert (difference[1:] > 0.01).all()


def test_padding_tokens_are_not_read(cross_attention: CrossAttention) -> None:
    x, context = random(BATCH, POSITIONS, CHANNELS), random(BATCH, TOKENS, CONTEXT_WIDTH)
    real = torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    other = torch.where(real[..., None], context, context + 100)

    def output(context: Tensor, mask: Tensor | None) -> Tensor:
        return cross_attention(x, read_context([cross_attention], [GRID], context=context, context_mask=mask), GRID)

    torch.testing.assert_close(output(other, real), output(context, real), atol=1e-12, rtol=0)
    short = read_context([cross_attention], [GRID], context=context[:, :3])
    torch.testing.assert_close(output(context, real)[:1], cross_attention(x, short, GRID)[:1], atol=1e-12, rtol=0)
    assert (output(context, None) - output(context, real))[0].abs().max() > 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_context_without_real_tokens_adds_nothing(dtype: torch.dtype) -> None:
    query, key, value = (random(4, HEADS, 7, HEAD_WIDTH, seed=seed).to(dtype) for seed in range(3))
    mask = torch.ones(4, 1, 1, 7, dtype=torch.bool)
    mask[1] = False
    found = attend(query, key, value, mask)
    assert found[1].abs().max() == 0
    assert found.isfinite().all()


def test_layers_read_their_own_keys_and_values() -> None:
    torch.manual_seed(0)
    first, second = (CrossAttention(CHANNELS, HEADS, CONTEXT_WIDTH, layer=layer) for layer in range(2))
    context = torch.randn(BATCH, TOKENS, CONTEXT_WIDTH)
    read = read_context([first, second], [GRID], context=context)
    torch.testing.assert_close(read.keys_values[1][0], second.project(context)[0])
    x = torch.randn(BATCH, POSITIONS, CHANNELS)
    alone = Attended((read.keys_values[0], read.keys_values[0]), None, {})
    assert (second(x, read, GRID) - second(x, alone, GRID)).abs().max() > 1e-3


def test_query_key_norm_makes_the_scale_of_queries_irrelevant() -> None:
    torch.manual_seed(0)
    layer = SelfAttention(CHANNELS, HEADS, qk_norm=True).double().requires_grad_(False)
    plain = SelfAttention(CHANNELS, HEADS).double().requires_grad_(False)
    x = random(BATCH, POSITIONS, CHANNELS)
    before, plain_before = layer(x), plain(x)
    for attention in (layer, plain):
        attention.to_q.weight *= 50
    torch.testing.assert_close(layer(x), before, atol=1e-4, rtol=0)
    assert (plain(x) - plain_before).abs().max() > 1e-2


@pytest.mark.parametrize("tokens", [TOKENS, 100])
@pytest.mark.parametrize("masked", [False, True])
def test_bfloat16_gradients_on_a_cpu_are_those_of_float32(tokens: int, masked: bool) -> None:
    exact = [random(BATCH, HEADS, length, HEAD_WIDTH, seed=length).bfloat16() for length in (POSITIONS, tokens, tokens + 1)]
    exact[2] = exact[2][:, :, 1:]
    mask = torch.arange(tokens).expand(BATCH, 1, 1, -1) < 4 if masked else None

    def gradients(dtype: torch.dtype) -> list[Tensor]:
        leaves = [tensor.to(dtype, copy=True).requires_grad_() for tensor in exact]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            found = attend(*leaves, mask)
        assert found.dtype == dtype
        found.float().square().sum().backward()
        return [leaf.grad.float() for leaf in leaves if leaf.grad is not None]

    for rough, fine in zip(gradients(torch.bfloat16), gradients(torch.float32), strict=True):
        torch.testing.assert_close(rough, fine, atol=0.02 * float(fine.abs().max()), rtol=0)


@pytest.mark.parametrize("positions, tokens", [(1024, 77), (600, 1100), (13, 13)])
@pytest.mark.parametrize("sharpness", [1.0, 30.0])
def test_blocks_give_what_float64_gives_as_nearly_as_bfloat16_can(positions: int, tokens: int, sharpness: float) -> None:
    """However large the scores are: 300 in the sharper ones, where bfloat16 alone would be wrong by 1."""
    query, key, value = (random(2, 3, length, 20, seed=length + n) for n, length in enumerate((positions, tokens, tokens)))
    query, key, value = (sharpness * query).bfloat16(), (key + 3.0).bfloat16(), value.bfloat16()
    exact = torch.nn.functional.scaled_dot_product_attention(query.double(), key.double(), value.double())
    error = (attend_in_blocks(query, key, value).double() - exact).norm() / exact.norm()
    assert error < 0.015


def test_large_bfloat16_attention_on_a_cpu_is_made_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(ildm.denoiser.attention, "cpu_computes_in_bfloat16", lambda: True)
    monkeypatch.setattr(ildm.denoiser.attention, "attend_in_blocks", lambda query, *_: made.append(query.shape) or query)
    query = torch.zeros(2, 8, 256, 8, dtype=torch.bfloat16)
    attend(query, query, query)
    assert made == [query.shape]
    attend(query.float(), query.float(), query.float())
    attend(query[:1, :, :64], query[:1], query[:1])  # too small
    attend(query, query, query, torch.ones(1, 1, 1, 256, dtype=torch.bool))
    assert len(made) == 1


@pytest.mark.parametrize("size", [(2, 3), (4, 5), (3, 7), (16, 24)])
def test_area_average_is_the_mean_of_the_area_each_cell_covers(size: tuple[int, int]) -> None:
    weights = random(1, 2, 8, 12)
    fine = weights.repeat_interleave(size[0], dim=2).repeat_interleave(size[1], dim=3)
    expected = fine.unflatten(3, (size[1], -1)).unflatten(2, (size[0], -1)).mean(dim=(3, 5))
    torch.testing.assert_close(area_average(weights, size), expected, atol=1e-12, rtol=0)


def test_area_average_keeps_coverage() -> None:
    shares = area_average(random(1, REGIONS, 9, 11).softmax(dim=1), (4, 5))
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(1, 4, 5, dtype=torch.float64), atol=1e-12, rtol=0)
