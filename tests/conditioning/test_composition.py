"""What is drawn at each step, and where."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ildm.conditioning.composition import Composition, Plan
from ildm.conditioning.regions import Region
from ildm.core.errors import ConfigError

SIZE = (8, 8)
LEFT, RIGHT, ALL = torch.zeros(8, 8), torch.zeros(8, 8), torch.ones(8, 8)
LEFT[:, :4] = RIGHT[:, 4:] = 1.0


def composition(**fields: Any) -> Composition:
    return Composition(**{"guidance_scale": 3.0, **fields})


def region(prompt: str, mask: torch.Tensor = LEFT, **fields: Any) -> Region:
    return Region(prompt=prompt, mask=mask, **fields)


def weight_of(plan: Plan, prompt: str) -> torch.Tensor:
    assert plan.weights is not None
    return sum((w for part, w in zip(plan.parts, plan.weights, strict=True) if part.prompt.text == prompt), torch.zeros(SIZE))


def spelled(plan: Plan) -> list[tuple[str, str, float]]:
    return [(part.prompt.text, part.negative.text, part.guidance * part.share) for part in plan.parts]


def texts(made: Composition, num_steps: int) -> list[str]:
    return [words.text for words in made.words(num_steps)]


def test_a_plain_prompt_is_one_part_everywhere() -> None:
    plan = composition(prompt="a cat", negative_prompt="blur").at(0, 10, SIZE)
    assert spelled(plan) == [("a cat", "blur", 3.0)]
    assert plan.weights is None


def test_schedules_change_at_their_step() -> None:
    made = composition(prompt="a [cat:dog:3]", negative_prompt="[blur|noise]")
    said = [made.at(step, 6, SIZE).parts[0] for step in range(6)]
    assert [part.prompt.text for part in said] == ["a cat"] * 3 + ["a dog"] * 3
    assert [part.negative.text for part in said] == ["blur", "noise"] * 3
    assert texts(made, 6) == ["a cat", "blur", "noise", "a dog"]


def test_a_plan_is_the_same_object_while_nothing_changes() -> None:
    made = composition(prompt="a [cat:dog:3]", regions=(region("a tree", window=(1, 4)),))
    plans = [made.at(step, 6, SIZE) for step in range(6)]
    assert plans[1] is plans[2] and plans[4] is plans[5]
    assert len({id(plan) for plan in plans}) == 4


def test_uncovered_positions_belong_to_the_base() -> None:
    plan = composition(prompt="a field", regions=(region("a cat"),)).at(0, 10, SIZE)
    assert torch.equal(weight_of(plan, "a cat"), LEFT.double())
    assert torch.equal(weight_of(plan, "a field"), RIGHT.double())


@pytest.mark.parametrize("base", ["", "  "])
def test_without_a_base_they_follow_no_prompt(base: str) -> None:
    plan = composition(prompt=base, negative_prompt="blur", regions=(region("a cat", base_ratio=0.5),)).at(0, 10, SIZE)
    assert spelled(plan)[0] == ("blur", "blur", 1.0)
    assert torch.equal(weight_of(plan, "blur"), RIGHT.double())


def test_base_ratio_mixes_the_base_in() -> None:
    plan = composition(prompt="a field", regions=(region("a cat", ALL, base_ratio=0.25),)).at(0, 10, SIZE)
    assert weight_of(plan, "a field").unique().tolist() == [0.25]
    assert weight_of(plan, "a cat").unique().tolist() == [0.75]


def test_what_a_region_says_for_itself() -> None:
    own = region("a cat", strength=0.5, guidance_scale=8.0, negative_prompt="fur")
    plan = composition(prompt="a field", negative_prompt="blur", regions=(own, region("a dog", RIGHT, strength=2.0))).at(
        0, 9, SIZE
    )
    assert spelled(plan) == [("a field", "blur", 3.0), ("a cat", "fur", 4.0), ("a dog", "blur", 6.0)]


def test_a_common_prompt_comes_before_each_region() -> None:
    plan = composition(prompt="x", common_prompt="in the sun", regions=(region("a cat"), region("", RIGHT))).at(0, 9, SIZE)
    assert [part.prompt.text for part in plan.parts] == ["x", "in the sun, a cat", "in the sun"]


def test_outside_its_window_a_region_is_not_there() -> None:
    made = composition(prompt="a field", regions=(region("a cat", window=(2, 4)),))
    assert [len(made.at(step, 6, SIZE).parts) for step in range(6)] == [1, 1, 2, 2, 1, 1]
    assert made.seed_areas(0, (2, 2)) is None


def test_composed_prompts_add_their_guidance() -> None:
    plan = composition(prompt="a cat :1.5 AND a dog AND fog :-0.5").at(0, 10, SIZE)
    assert spelled(plan) == [("a cat", "", 4.5), ("a dog", "", 3.0), ("fog", "", -1.5)]
    assert plan.mode == "latent" and plan.weights is not None and bool((plan.weights == 1.0).all())


def test_composed_prompts_are_mixed_estimates_wherever_they_are() -> None:
    """Also beside regions that would act by attention, so that a region in a corner does not change what `AND` means elsewhere."""
    corner = torch.zeros(8, 8)
    corner[0, 0] = 1.0
    plan = composition(prompt="a cat AND fog :-0.8", regions=(region("a dog", corner),)).at(0, 10, SIZE)
    assert plan.mode == "latent" and plan.weights is not None
    assert spelled(plan) == [("a cat", "", 3.0), ("fog", "", pytest.approx(-2.4)), ("a dog", "", 3.0)]
    assert torch.equal(plan.weights[0], plan.weights[1]) and plan.weights[0].sum() == 63.0
    inside = composition(prompt="x", regions=(region("a cat :3 AND a dog", ALL),)).at(0, 10, SIZE)
    assert inside.mode == "latent" and spelled(inside)[1:] == [("a cat", "", 9.0), ("a dog", "", 3.0)]


def test_a_region_without_words_says_what_the_picture_says() -> None:
    plan = composition(prompt="a field", regions=(region(" ", seed=3, strength=2.0),)).at(0, 10, SIZE)
    assert spelled(plan) == [("a field", "", 3.0), ("a field", "", 6.0)]
    alone = composition(regions=(region(""),)).at(0, 10, SIZE)
    assert [part.prompt.text for part in alone.parts] == ["", ""]


def test_a_number_behind_a_lone_prompt_belongs_to_it() -> None:
    assert composition(prompt="a clock at 10:30").at(0, 10, SIZE).parts[0].prompt.text == "a clock at 10:30"


def test_without_guidance_no_negative_is_encoded() -> None:
    assert texts(composition(prompt="a cat", negative_prompt="blur", guidance_scale=1.0), 5) == ["a cat"]
    assert texts(composition(prompt="a cat", negative_prompt="blur"), 5) == ["a cat", "blur"]
    strong = (region("a dog", strength=2.0),)
    assert texts(composition(prompt="a cat", negative_prompt="blur", guidance_scale=1.0, regions=strong), 5) == [
        "a cat",
        "a dog",
        "blur",
    ]


def test_masks_of_any_size_and_empty_ones() -> None:
    masks = [torch.ones(1, 1), torch.rand(5, 3), torch.zeros(100, 40)]
    plan = composition(prompt="x", regions=tuple(region(f"r{n}", mask) for n, mask in enumerate(masks))).at(0, 9, SIZE)
    assert plan.weights is not None
    torch.testing.assert_close(plan.weights.sum(dim=0), torch.ones(SIZE), atol=1e-6, rtol=0)
    assert weight_of(plan, "r2").abs().max() == 0


@pytest.mark.parametrize(
    ("name", "value", "said"), [("overlap", "adds", "did you mean 'add'"), ("mode", "Latent", "did you mean 'latent'")]
)
def test_rules_that_there_are_not_are_told(name: str, value: str, said: str) -> None:
    """What ildm itself says: in the tests a hook would speak up before it."""
    made = composition(prompt="x")
    object.__setattr__(made, name, value)
    with pytest.raises(ConfigError, match=said):
        made.__post_init__()


def test_words_are_found_where_they_change_and_no_further_than_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand steps of sixty regions are not looked through one by one."""
    looked = []
    inner = Composition._said
    monkeypatch.setattr(Composition, "_said", lambda self, *where: looked.append(where) or inner(self, *where))
    regions = tuple(region(f"thing {n}", window=(5, 700) if n == 3 else None) for n in range(60))
    assert len(composition(prompt="a [cat:dog:0.5]", regions=regions).words(1000)) == 63
    assert sorted(step for step, _ in looked) == [0, 5, 500, 700]
    looked.clear()
    alternating = tuple(region(f"[a|b|c] {n}") for n in range(60))
    assert len(composition(prompt="x", regions=alternating).words(1000, 100)) == 100 and len(looked) == 2


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_guidance_is_a_finite_number(scale: float) -> None:
    with pytest.raises(ConfigError, match=f"Guidance is a number, but {scale} was given"):
        composition(guidance_scale=scale)
