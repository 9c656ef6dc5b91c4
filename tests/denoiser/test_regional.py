"""Several prompts in one picture, by attention and by mixed estimates, against loops over pixels and regions in double precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from ildm.conditioning.composition import Composition, Plan
from ildm.conditioning.regions import Mode, Overlap, Region
from ildm.core.errors import ConfigError, ShapeError
from ildm.core.types import Conditioning, Latent, Times
from ildm.denoiser.attention import CrossAttention, read_context
from ildm.denoiser.guidance import GuidedUnder, Projection
from ildm.denoiser.guide import Guide
from ildm.denoiser.regional import Blended, Parts, by_attention
from ildm.diffusion.path import VariancePreserving

GRID, WIDTH, TOKENS = (6, 5), 8, 3
CHANNELS, HEADS = 8, 2
SCALE = 3.0


class Toy:
    """A denoiser in double precision that depends on position, time and words, and counts what it estimates."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.told: list[float] = []

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        assert conditioning.context is not None
        self.rows.append(noised.shape[0])
        if conditioning.guidance is not None:
            self.told += conditioning.guidance.tolist()
        context = conditioning.context.double().expand(noised.shape[0], -1, -1)
        words = context.mean(dim=1)  # (B, W)
        ramp = torch.linspace(-1.0, 1.0, noised.shape[-1], dtype=torch.float64)
        return torch.tanh(noised * words[:, :4, None, None] + ramp * words[:, 4:, None, None] - t[:, None, None, None])


def encoder() -> Callable[[str], Conditioning]:
    """The same object for the same text, as sessions encode."""
    made: dict[str, Conditioning] = {}

    def encode(text: str) -> Conditioning:
        if text not in made:
            generator = torch.Generator().manual_seed(sum(map(ord, text)))
            made[text] = Conditioning(context=torch.randn(1, TOKENS, WIDTH, generator=generator, dtype=torch.float64))
        return made[text]

    return encode


def masks(count: int, seed: int = 0) -> list[Tensor]:
    values = torch.rand(count, *GRID, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    masks = (values * 1.6 - 0.3).clamp(0.0, 1.0)
    masks[:, 0, 0] = 1.0  # every peak is whole, so that nothing is thin
    return list(masks)


def composition(**fields: Any) -> Composition:
    own: Sequence[dict[str, Any]] = (
        {"strength": 0.5},
        {"guidance_scale": 7.0, "base_ratio": 0.25},
        {"negative_prompt": "haze"},
        {"strength": 0.0},
    )
    regions = [Region(prompt=f"thing {n}", mask=mask, **one) for n, (mask, one) in enumerate(zip(masks(4), own, strict=True))]
    return Composition(
        **{"prompt": "a field", "negative_prompt": "blur", "guidance_scale": SCALE, "regions": tuple(regions), **fields}
    )


def encoded(plan: Plan, encode: Callable[[str], Conditioning]) -> Parts:
    return Parts(
        positives=tuple(encode(part.prompt.text) for part in plan.parts),
        negatives=tuple(encode(part.negative.text) for part in plan.parts),
        guidances=tuple(part.guidance for part in plan.parts),
        shares=tuple(part.share for part in plan.parts),
        weights=plan.weights,
    )


def guide(denoiser: Any, **fields: Any) -> Guide:
    return Guide(model="toy", denoiser=denoiser, path=VariancePreserving(), prediction="epsilon", scale=SCALE, **fields)


def follow(made: Composition, toy: Toy, **fields: Any) -> GuidedUnder | Blended:
    plan = made.at(0, 10, GRID)
    return guide(toy, **fields).follow(encoded(plan, encoder()), plan.mode, GRID)


def noised(batch: int = 1) -> Tensor:
    return torch.randn(batch, 4, *GRID, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


TIMES = torch.tensor([0.5], dtype=torch.float64)


def shares_by_hand(made: Composition) -> list[list[list[float]]]:
    """The share of the base and of each region at every pixel, by the rules as they are written down."""
    height, width = GRID
    found = [[[0.0] * width for _ in range(height)] for _ in range(len(made.regions) + 1)]
    for y in range(height):
        for x in range(width):
            m = [float(region.mask[y, x]) for region in made.regions]
            left, total = 1.0, sum(m)
            if made.overlap == "z-order":
                for r in reversed(range(len(m))):
                    found[r + 1][y][x] = m[r] * left
                    left *= 1.0 - m[r]
            else:
                for r, value in enumerate(m):
                    found[r + 1][y][x] = value / (max(1.0, total) if made.overlap == "normalise" else 1.0)
                left = max(0.0, 1.0 - total)
            for r, region in enumerate(made.regions):
                moved = found[r + 1][y][x] * region.base_ratio if made.prompt else 0.0
                found[r + 1][y][x] -= moved
                left += moved
            found[0][y][x] = left
    return found


def words_by_hand(made: Composition) -> list[tuple[str, str, float]]:
    base = (made.prompt, made.negative_prompt, SCALE) if made.prompt else (made.negative_prompt, made.negative_prompt, 1.0)
    return [base] + [
        (
            region.prompt,
            region.negative_prompt or made.negative_prompt,
            region.strength * (SCALE if region.guidance_scale is None else region.guidance_scale),
        )
        for region in made.regions
    ]


@pytest.mark.parametrize("overlap", get_args(Overlap))
@pytest.mark.parametrize("prompt", ["a field", ""])
def test_mixed_estimates_equal_the_loop(overlap: Overlap, prompt: str) -> None:
    made = composition(prompt=prompt, overlap=overlap, mode="latent")
    found = follow(made, Toy())(noised(), TIMES)
    encode, shares = encoder(), shares_by_hand(made)
    estimates = [
        tuple(Toy()(noised(), TIMES, encode(text))[0] for text in (positive, negative))
        for positive, negative, _ in words_by_hand(made)
    ]
    ground = estimates[0][1]
    expected = torch.zeros_like(ground)
    for channel in range(4):
        for y in range(GRID[0]):
            for x in range(GRID[1]):
                value, used = 0.0, 0.0
                for r, (_, _, scale) in enumerate(words_by_hand(made)):
                    yes, no = (float(one[channel, y, x]) for one in estimates[r])
                    value += shares[r][y][x] * (no + scale * (yes - no))
                    used += shares[r][y][x]
                expected[channel, y, x] = value + (1.0 - used) * float(ground[channel, y, x])
    torch.testing.assert_close(found[0].double(), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("overlap", get_args(Overlap))
@pytest.mark.parametrize("prompt", ["a field", ""])
def test_attention_equals_the_loop(overlap: Overlap, prompt: str) -> None:
    torch.manual_seed(0)
    layer = CrossAttention(CHANNELS, HEADS, WIDTH).double().requires_grad_(False)
    made = composition(prompt=prompt, overlap=overlap)
    encode = encoder()
    positive, _, scale, _ = by_attention(encoded(made.at(0, 10, GRID), encode).merged(), GRID)
    x = torch.randn(1, GRID[0] * GRID[1], CHANNELS, dtype=torch.float64)
    found = layer(x, read_context([layer], [GRID], regions=positive.regions), GRID)[0]

    shares = shares_by_hand(made)
    size = CHANNELS // HEADS
    for place in range(GRID[0] * GRID[1]):
        row, column = divmod(place, GRID[1])
        mixed = torch.zeros(CHANNELS, dtype=torch.float64)
        strength, total = 0.0, 0.0
        for r, (text, _, own) in enumerate(words_by_hand(made)):
            context = encode(text).context
            assert context is not None
            weight = shares[r][row][column]
            strength, total = strength + weight * own, total + weight
            for head in range(HEADS):
                part = slice(head * size, (head + 1) * size)
                query, key, value = (
                    layer.to_q.weight[part] @ x[0, place],
                    context[0] @ layer.to_k.weight[part].T,
                    context[0] @ layer.to_v.weight[part].T,
                )
                logits = [float(query @ one) / size**0.5 for one in key]
                powers = [2.718281828459045 ** (one - max(logits)) for one in logits]
                for power, one in zip(powers, value, strict=True):
                    mixed[part] += weight * power / sum(powers) * one
        expected = layer.to_out.weight @ mixed + layer.to_out.bias
        torch.testing.assert_close(found[place], expected, atol=1e-6, rtol=0)
        assert isinstance(scale, Tensor)
        assert abs(float(scale[0, 0, row, column]) - strength / total) < 1e-5


def test_what_is_moved_away_from_acts_where_it_belongs() -> None:
    made = composition()
    encode = encoder()
    _, negative, *_ = by_attention(encoded(made.at(0, 10, GRID), encode).merged(), GRID)
    assert negative.regions is not None and negative.regions.context.shape[1] == 2  # "blur" serves all but one
    haze = torch.tensor(shares_by_hand(made)[3], dtype=torch.float64)
    torch.testing.assert_close(negative.regions.weights[0, 1].double(), haze, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        negative.regions.weights[0].sum(dim=0).double(), torch.ones(GRID, dtype=torch.float64), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("mode", get_args(Mode))
def test_one_region_everywhere_is_the_plain_prompt(mode: Mode) -> None:
    whole = Composition(
        guidance_scale=SCALE, mode=mode, negative_prompt="blur", regions=(Region(prompt="a cat", mask=torch.ones(9, 3)),)
    )
    plain = Composition(guidance_scale=SCALE, prompt="a cat", negative_prompt="blur")
    assert torch.equal(follow(whole, Toy())(noised(), TIMES), follow(plain, Toy())(noised(), TIMES))


@pytest.mark.parametrize("mode", get_args(Mode))
def test_regions_that_say_the_same_are_one(mode: Mode) -> None:
    ramp = torch.linspace(0.0, 1.0, GRID[1]).expand(GRID)
    regions = (Region(prompt="a cat", mask=ramp), Region(prompt="a cat", mask=1.0 - ramp))
    several = Composition(guidance_scale=SCALE, mode=mode, regions=regions)
    plain = Composition(guidance_scale=SCALE, prompt="a cat")
    assert torch.equal(follow(several, Toy())(noised(), TIMES), follow(plain, Toy())(noised(), TIMES))


def test_every_prompt_is_estimated_once_and_all_in_one_batch() -> None:
    toy = Toy()
    follow(composition(mode="latent"), toy)(noised(), TIMES)
    # the field, three things with a strength, "blur" and "haze"; a thing of strength 0 is only moved away from
    assert toy.rows == [6]
    several = Toy()
    follow(composition(mode="latent"), several)(noised(3), TIMES.expand(3))
    assert several.rows == [18]


def test_sixty_regions_go_in_several_batches() -> None:
    stripes = torch.eye(60)[:, None].expand(60, 2, 60)
    regions = tuple(Region(prompt=f"thing {n}", mask=one) for n, one in enumerate(stripes))
    for mode in get_args(Mode):
        toy = Toy()
        found = follow(Composition(guidance_scale=SCALE, mode="latent", regions=regions), toy)(noised(), TIMES)
        assert bool(torch.isfinite(found).all()), mode
        assert sum(toy.rows) == 61 and max(toy.rows) <= 16


def test_samples_do_not_depend_on_their_neighbours() -> None:
    made, three = composition(mode="latent"), noised(3)
    together = follow(made, Toy())(three, TIMES.expand(3))
    for place in range(3):
        alone = follow(made, Toy())(three[place : place + 1], TIMES)
        torch.testing.assert_close(together[place : place + 1], alone, atol=1e-12, rtol=0)


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("prompt", ["a field", "a field AND fog :-0.5"])
def test_outside_the_interval_guidance_is_one_and_strengths_stay(mode: Mode, prompt: str) -> None:
    made = composition(mode="latent", prompt=prompt)
    outside = follow(made, Toy(), interval=(0.0, 0.4))(noised(), TIMES)
    plain = replace(made, guidance_scale=1.0, regions=tuple(replace(one, guidance_scale=None) for one in made.regions))
    torch.testing.assert_close(outside, follow(plain, Toy())(noised(), TIMES), atol=1e-6, rtol=0)
    mixed = follow(made, Toy(), interval=(0.0, 0.4))(noised(2), torch.tensor([0.5, 0.3], dtype=torch.float64))
    assert not torch.equal(mixed[1:], follow(plain, Toy())(noised(2)[1:], torch.tensor([0.3], dtype=torch.float64)))


def test_a_strength_stays_outside_the_interval_of_one_pass_too() -> None:
    _, _, scale, share = by_attention(encoded(composition().at(0, 10, GRID), encoder()).merged(), GRID)
    assert isinstance(scale, Tensor) and isinstance(share, Tensor)
    made = Composition(
        guidance_scale=SCALE, negative_prompt="blur", regions=(Region(prompt="a cat", mask=torch.ones(2, 2), strength=0.5),)
    )
    toy, encode = Toy(), encoder()
    plan = made.at(0, 10, GRID)
    found = guide(toy, interval=(0.0, 0.4)).follow(encoded(plan, encode), "attention", GRID)(noised(), TIMES)
    yes, no = (Toy()(noised(), TIMES, encode(text)) for text in ("a cat", "blur"))
    torch.testing.assert_close(found, no + 0.5 * (yes - no), atol=1e-12, rtol=0)


@pytest.mark.parametrize("guidance", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("first", [1.0, 0.5])
def test_composed_prompts_add_up_at_every_guidance(guidance: float, first: float) -> None:
    """`n + sum_i w_i g (d_i - n)`, in whichever order they are said, also where no prompt alone would need the negative."""
    encode = encoder()
    cat, dog, blur = (Toy()(noised(), TIMES, encode(text)) for text in ("a cat", "a dog", "blur"))
    expected = blur + guidance * (first * (cat - blur) + (dog - blur))
    for prompt in (f"a cat :{first} AND a dog", f"a dog AND a cat :{first}"):
        made = Composition(prompt=prompt, negative_prompt="blur", guidance_scale=guidance)
        assert made.at(0, 10, GRID).avoids and "blur" in [one.text for one in made.words(10)]
        torch.testing.assert_close(follow(made, Toy())(noised(), TIMES), expected, atol=1e-6, rtol=0)


def test_added_regions_add_up_at_guidance_one() -> None:
    encode = encoder()
    cat, dog, blur = (Toy()(noised(), TIMES, encode(text)) for text in ("a cat", "a dog", "blur"))
    regions = tuple(
        Region(prompt=text, mask=torch.ones(2, 2), negative_prompt=own) for text, own in (("a cat", "haze"), ("a dog", ""))
    )
    for order in (regions, regions[::-1]):
        made = Composition(negative_prompt="blur", guidance_scale=1.0, regions=order, overlap="add", mode="latent")
        torch.testing.assert_close(follow(made, Toy())(noised(), TIMES), cat + dog - blur, atol=1e-6, rtol=0)


@pytest.mark.parametrize("prompt", ["a field", ""])
def test_thin_regions_act_alike_where_nothing_of_the_base_is_left(prompt: str) -> None:
    """Columns of 16, 480 and 16 pixels at 512, in whichever order: the ground stays the ground though it has no weight."""
    columns = torch.zeros(3, 512, 512)
    columns[0, :, :16] = columns[1, :, 16:496] = columns[2, :, 496:] = 1.0
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        regions = tuple(Region(prompt=f"column {place}", mask=columns[place]) for place in order)
        plan = Composition(prompt=prompt, guidance_scale=SCALE, regions=regions).at(0, 10, (512, 512))
        encode = encoder()
        positive, *_ = by_attention(encoded(plan, encode).merged(), (64, 64))
        layer = CrossAttention(CHANNELS, HEADS, WIDTH).double()
        attended = read_context([layer], [(8, 8)], regions=positive.regions)
        peaks = attended.weights[8, 8].amax(dim=(1, 2))
        assert len(peaks) == 3
        by_place = dict(zip(order, peaks.tolist(), strict=True))
        assert by_place[0] == pytest.approx(by_place[2]) and by_place[0] > 0.5 and by_place[1] == pytest.approx(1.0)


def test_a_network_that_is_told_gets_each_regions_own_guidance() -> None:
    """Strengths are mixed, by the unconditional estimate where they are less than one; that is told 1."""
    toy = Toy()
    plan, encode = composition(mode="latent").at(0, 10, GRID), encoder()
    guide(toy, told=True).follow(encoded(plan, encode), "latent", GRID)(noised(), TIMES)
    assert sorted(toy.told) == [1.0, 3.0, 3.0, 3.0, 7.0]
    with pytest.raises(ConfigError, match="no second estimate to rescale"):
        guide(toy, told=True).follow(encoded(plan, encode), "latent", GRID, rescale=0.5)


def test_rescaling_brings_the_deviation_back() -> None:
    strong = composition(mode="latent", guidance_scale=12.0)
    plain, tamed = (follow(strong, Toy(), rescale=value)(noised(), TIMES) for value in (0.0, 1.0))
    assert tamed.std() < plain.std()


def test_what_cannot_be_drawn_is_said() -> None:
    plan, encode = composition(mode="latent").at(0, 10, GRID), encoder()
    with pytest.raises(ConfigError, match="Projected guidance"):
        guide(Toy()).follow(encoded(plan, encode), "latent", GRID, projection=Projection())
    with pytest.raises(ShapeError, match="a share and a weight each"):
        replace(encoded(plan, encode), guidances=(1.0,))
    labels = [Conditioning(label=torch.tensor([n])) for n in range(5)]
    with pytest.raises(ConfigError, match="choose the mode 'latent'"):
        by_attention(replace(encoded(plan, encode), positives=tuple(labels)), GRID)
