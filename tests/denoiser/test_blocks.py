"""The U-Net's parts one by one."""

from __future__ import annotations

import math

import pytest
import torch

from ildm.core.sinusoidal import sinusoidal
from ildm.denoiser.attended import Attended
from ildm.denoiser.blocks import Downsample, ResBlock, Upsample
from ildm.denoiser.levels import MidBlock
from ildm.denoiser.transformer import AttentionBlock, Transformer


def test_sinusoidal_embedding_equals_its_formula() -> None:
    found = sinusoidal(torch.tensor([0.5, 999.0]), 6)
    for row, time in zip(found, (0.5, 999.0), strict=True):
        angles = [time / 10_000 ** (index / 3) for index in range(3)]
        expected = torch.tensor([math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles])
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=0)


def test_sines_come_first_when_asked() -> None:
    times = torch.tensor([3.0, 40.0])
    cosines, sines = sinusoidal(times, 8).chunk(2, dim=1)
    torch.testing.assert_close(sinusoidal(times, 8, cosine_first=False), torch.cat([sines, cosines], dim=1))


def test_time_is_not_rounded_in_a_rough_format() -> None:
    exact = sinusoidal(torch.tensor([871.0]), 8)
    assert (sinusoidal(torch.tensor([871.0], dtype=torch.float64), 8) - exact).abs().max() == 0
    assert (sinusoidal(torch.tensor([872.0]), 8) - exact).abs().max() > 0.1


@pytest.mark.parametrize("resample", [None, "up", "down"])
def test_a_fresh_residual_block_only_resamples(resample: str | None) -> None:
    block = ResBlock(8, 8, 16, groups=4, resample=resample)  # type: ignore[arg-type]
    x = torch.randn(2, 8, 4, 6)
    expected = x
    if resample == "up":
        expected = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    if resample == "down":
        expected = x.unflatten(3, (3, 2)).unflatten(2, (2, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(block(x, torch.randn(2, 16)), expected)


@pytest.mark.parametrize("scale_shift", [False, True])
def test_time_reaches_a_residual_block(scale_shift: bool) -> None:
    torch.manual_seed(0)
    block = ResBlock(8, 12, 16, groups=4, scale_shift=scale_shift)
    torch.nn.init.normal_(block.conv2.weight)
    x = torch.randn(2, 8, 4, 6)
    difference = block(x, torch.randn(2, 16)) - block(x, torch.randn(2, 16))
    assert difference.shape == (2, 12, 4, 6)
    assert difference.std() > 0.01


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    block = ResBlock(8, 8, 16, groups=4, dropout=0.5)
    torch.nn.init.normal_(block.conv2.weight)
    x, embedding = torch.randn(2, 8, 4, 4), torch.randn(2, 16)
    assert (block(x, embedding) - block(x, embedding)).abs().max() > 0
    block.eval()
    assert (block(x, embedding) - block(x, embedding)).abs().max() == 0


def test_a_group_norm_far_from_zero_survives_bfloat16() -> None:
    """Channels with a mean of 100 and a spread of 1: statistics taken in bf16 would leave only rounding."""
    torch.manual_seed(0)
    block = ResBlock(64, 64, 16, groups=4)
    torch.nn.init.normal_(block.conv2.weight, std=0.02)
    x, embedding = 100 + torch.randn(2, 64, 8, 8).bfloat16().float(), torch.randn(2, 16)
    with torch.no_grad():
        exact = block(x, embedding) - x
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = block(x, embedding) - x
    assert (rough - exact).std() < 0.03 * exact.std()


def test_resampling_halves_and_doubles() -> None:
    x = torch.randn(1, 4, 6, 8)
    assert Downsample(4)(x).shape == (1, 4, 3, 4)
    assert Upsample(4)(x).shape == (1, 4, 12, 16)


def test_upsampling_is_nearest_neighbours_and_a_convolution() -> None:
    torch.manual_seed(0)
    layer = Upsample(4).double()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    doubled = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(layer(x), layer.conv(doubled), atol=1e-12, rtol=0)


def test_fresh_attention_changes_nothing() -> None:
    nothing = Attended((), None, {})
    x = torch.randn(2, 8, 4, 6)
    for layer in (AttentionBlock(8, 2, groups=4), Transformer(8, 2, 1, None, groups=4)):
        torch.testing.assert_close(layer(x, nothing), x)


def test_the_middle_works_without_attention() -> None:
    middle = MidBlock([ResBlock(8, 8, 16, groups=4), ResBlock(8, 8, 16, groups=4)], [])
    x = torch.randn(2, 8, 4, 6)
    torch.testing.assert_close(middle(x, torch.randn(2, 16), Attended((), None, {})), x)
