"""What one call of `generate` asks for: pictures, each with its prompts and its seed, and how each is composed."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

from ildm.conditioning.composition import Composition
from ildm.conditioning.regions import Mode, Overlap, Region
from ildm.core.errors import ShapeError
from ildm.core.seeds import check_seed, draw_seed


class Call(NamedTuple):
    """What one picture is to be."""

    prompt: str
    negative_prompt: str
    seed: int


def pair_up(prompt: str | Sequence[str], negative_prompt: str | Sequence[str], seed: int | Sequence[int] | None) -> list[Call]:
    """One prompt, one negative prompt and one seed per picture; a single one serves all.

    Raises:
        ConfigError: for a seed that is none.
        ShapeError: when lists have different lengths, or a list is empty.
    """
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if seed is None:
        seed = [draw_seed() for _ in prompts]
    seeds = [int(seed)] if isinstance(seed, int | Integral) else list(seed)
    if len(prompts) == 1:
        prompts *= len(seeds)
    if len(seeds) == 1:
        seeds *= len(prompts)
    if len(prompts) != len(seeds) or not prompts:
        raise ShapeError(f"Prompts and seeds are paired up, but {len(prompts)} and {len(seeds)} came: give one, or as many.")
    negatives = [negative_prompt] * len(prompts) if isinstance(negative_prompt, str) else list(negative_prompt)
    if len(negatives) != len(prompts):
        raise ShapeError(f"One negative prompt per image: {len(prompts)} images, but {len(negatives)} came.")
    return [Call(one, other, check_seed(number)) for one, other, number in zip(prompts, negatives, seeds, strict=True)]


def compose(
    calls: Sequence[Call], *, guidance_scale: float, regions: Sequence[Region], overlap: Overlap, mode: Mode
) -> list[Composition]:
    """The composition of each picture; those with the same prompts share one, and are drawn together."""
    made = {
        words: Composition(
            prompt=words[0],
            negative_prompt=words[1],
            guidance_scale=guidance_scale,
            regions=tuple(regions),
            overlap=overlap,
            mode=mode,
        )
        for words in dict.fromkeys((call.prompt, call.negative_prompt) for call in calls)
    }
    return [made[call.prompt, call.negative_prompt] for call in calls]
