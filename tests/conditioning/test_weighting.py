"""What weights do to tokens: multiplied one by one, then brought back as a whole, each window by itself."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.weighting import FARTHEST, emphasise


def hidden_of(*shape, seed=0, mean=0.3):
    """What an encoder might give: a mean well away from zero."""
    return mean + torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def weights_of(*shape, seed=1):
    return 0.2 + 1.6 * torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def size(window):
    return float(window.square().mean().sqrt())


def in_loops(window, weights, mask, keep):
    """One window, a number at a time."""
    before, after, count = [], [], 0
    for token, weight, real in zip(window.tolist(), weights.tolist(), mask.tolist(), strict=True):
        if real:
            before += token
            after += [weight * value for value in token]
            count += len(token)
    if keep == "mean":
        factor = (math.fsum(before) / count) / (math.fsum(after) / count)
    else:
        factor = math.sqrt(math.fsum(v * v for v in before) / math.fsum(v * v for v in after))
    return torch.tensor(
        [[value * weight * factor for value in token] for token, weight in zip(window.tolist(), weights.tolist(), strict=True)],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("keep", ["mean", "size"])
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_rule_told_in_loops(keep, masked):
    hidden, weights = hidden_of(3, 2, 7, 5), weights_of(3, 2, 7)
    mask = torch.ones(3, 2, 7, dtype=torch.bool)
    if masked:
        mask[..., 5:] = False
        mask[1, 0, 3:] = False
    found = emphasise(hidden, weights, mask if masked else None, keep=keep)
    for place in ((row, window) for row in range(3) for window in range(2)):
        wanted = in_loops(hidden[place], weights[place], mask[place], keep)
        assert torch.allclose(found[place], wanted, rtol=1e-12, atol=1e-12), place


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_mean_or_size_is_what_it_was(dtype):
    hidden, weights = hidden_of(4, 77, 16).to(dtype), weights_of(4, 77)
    for before, mean, sized in zip(
        hidden, emphasise(hidden, weights, keep="mean"), emphasise(hidden, weights, keep="size"), strict=True
    ):
        assert mean.dtype == sized.dtype == dtype
        assert float(mean.mean()) == pytest.approx(float(before.mean()), rel=1e-5)
        assert size(sized) == pytest.approx(size(before), rel=1e-5)
        assert size(mean) != pytest.approx(size(before), rel=1e-3)


@pytest.mark.parametrize("keep", ["mean", "size"])
def test_no_window_depends_on_another(keep):
    hidden, weights = hidden_of(3, 2, 9, 4), weights_of(3, 2, 9)
    together = emphasise(hidden, weights, keep=keep)
    for row in range(3):
        alone = emphasise(hidden[row : row + 1, :1], weights[row : row + 1, :1], keep=keep)
        assert torch.allclose(together[row, 0], alone[0, 0], rtol=1e-14)


def test_what_is_masked_does_not_count():
    hidden, weights = hidden_of(1, 6, 4), weights_of(1, 6)
    mask = torch.tensor([[True, True, True, True, False, False]])
    other, heavier = hidden.clone(), weights.clone()
    other[0, 4:], heavier[0, 4:] = 100, 7
    for keep in ("mean", "size"):
        found = emphasise(hidden, weights, mask, keep=keep)
        assert torch.allclose(emphasise(other, heavier, mask, keep=keep)[mask], found[mask], rtol=1e-12)


def test_windows_without_weights_stay_bit_for_bit():
    hidden, weights = hidden_of(3, 8, 4).float(), torch.ones(3, 8, dtype=torch.float64)
    hidden[0] = torch.nextafter(hidden[0], torch.tensor(9.0))
    assert emphasise(hidden, weights, keep="mean") is hidden
    weights[1, 3] = 1.3
    for keep in ("mean", "size"):
        found = emphasise(hidden, weights, keep=keep)
        assert torch.equal(found[0], hidden[0]) and torch.equal(found[2], hidden[2])
        assert not torch.equal(found[1], hidden[1])


@pytest.mark.parametrize("weight", [0.4, 1.5, 3e38])
def test_one_weight_for_all_changes_nothing(weight):
    hidden = hidden_of(2, 8, 4)
    for keep in ("mean", "size"):
        assert torch.allclose(emphasise(hidden, torch.full((2, 8), weight, dtype=torch.float64), keep=keep), hidden, rtol=1e-12)


def cancelled(share):
    """A window and weights that leave this share of its mean."""
    hidden = hidden_of(1, 8, 4)
    without = hidden[0, 1:].sum()
    return hidden, torch.tensor([[(share * hidden.sum() - without) / hidden[0, 0].sum(), *[1.0] * 7]], dtype=torch.float64)


@pytest.mark.parametrize("share", [0.0, 1e-9, -1e-9, -0.5, 0.05])
def test_a_mean_that_is_gone_or_turned_is_not_brought_back(share):
    hidden, weights = cancelled(share)
    found = emphasise(hidden, weights, keep="mean")
    assert size(found) == pytest.approx(size(hidden), rel=1e-9)
    # and nothing is turned round by it
    assert torch.equal(found[0, 1:].sign(), hidden[0, 1:].sign())


def test_a_mean_that_is_small_is_brought_back_as_far_as_that_goes():
    for share in (0.3, 0.5, 0.9):
        hidden, weights = cancelled(share)
        found = emphasise(hidden, weights, keep="mean")
        assert float(found.mean()) == pytest.approx(float(hidden.mean()), rel=1e-9)
        assert size(found) <= FARTHEST * size(hidden)


def test_words_of_no_weight_beside_marks_bring_the_mean_back():
    """The farthest that a window of like tokens goes: only one of 77 still counts."""
    hidden, weights = torch.ones(1, 77, 4), torch.zeros(1, 77, dtype=torch.float64)
    weights[0, 0] = 1
    assert torch.allclose(emphasise(hidden, weights, keep="mean")[0, 0], torch.tensor(77.0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("weight", [0.0, -1.0, 1e-38, 1e30, 3e38, -3e38])
def test_nothing_becomes_infinite(weight, dtype):
    hidden = (30 * hidden_of(4, 9, 4, mean=0)).to(dtype)
    hidden[2] = 0
    hidden[3] = 3e4 if dtype == torch.float16 else torch.finfo(dtype).max / 3
    weights = torch.ones(4, 9, dtype=torch.float64)
    weights[:, 1:4] = weight
    weights[1] = weight
    for keep in ("mean", "size"):
        found = emphasise(hidden, weights, keep=keep)
        assert found.dtype == dtype and found.isfinite().all()
        assert size(found[0].double()) <= 1.1 * FARTHEST * size(hidden[0].double())
        if weight == 0:
            assert not found[1].any()


finite = st.floats(-3e38, 3e38, allow_subnormal=False)


@given(st.lists(finite, min_size=6, max_size=6), st.lists(st.floats(-100, 100, width=32), min_size=6, max_size=6))
def test_any_numbers_stay_finite(weights, values):
    hidden = torch.tensor(values)[None, :, None].repeat(1, 1, 2)
    for keep in ("mean", "size"):
        found = emphasise(hidden, torch.tensor([weights], dtype=torch.float64), keep=keep)
        assert found.isfinite().all()
