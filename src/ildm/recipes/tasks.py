"""The tasks of the paper (Rombach 2022, section 4) on EmojiScenes, small: one denoiser each beside the shipped model's autoencoder."""

from __future__ import annotations

from dataclasses import replace

from ildm.conditioning.inpainting import InpaintingConfig
from ildm.conditioning.layout import LayoutConfig
from ildm.conditioning.low_resolution import LowResolutionConfig
from ildm.conditioning.semantic_map import SemanticMapConfig
from ildm.denoiser.config import UNetConfig
from ildm.recipes import emoji, small
from ildm.training.recipe import Recipe, Sampling
from ildm.training.told import ClassesConfig, Condition

DENOISER = UNetConfig(channels=(64, 80, 96), res_blocks=(1, 1, 1), depths=(0, 1, 1), mid_depth=1, head_width=16, norm_groups=16)
"""Three and a half million parameters: 7 MB in half precision."""


def unconditional() -> Recipe:
    """Scenes of one thing, whatever it is."""
    return _task("unconditional", "Small illustrations of everyday things, whatever comes.", Condition(), max_objects=1)


def classes() -> Recipe:
    """One thing, by its name."""
    condition = Condition(classes=ClassesConfig())
    return _task("class", "Small illustrations of everyday things, by name.", condition, max_objects=1)


def text() -> Recipe:
    """Captions, as in the shipped model, at a third of its size."""
    recipe = _task("text", "Small illustrations of everyday things, alone or in scenes, drawn from text.", Condition())
    graph, chosen = replace(small.TEXT, width=64, depth=2, num_heads=4), emoji.recipe().stage_two
    bound = replace(recipe.stage_two, placing=chosen.placing, in_places=chosen.in_places)
    return replace(recipe, text=graph, stage_two=bound, prompts=emoji.PROMPTS)


def layout() -> Recipe:
    """Things in boxes: a prompt reads `fox 0.1 0.2 0.5 0.6; key 0.6 0.6 0.9 0.9`."""
    return _task(
        "layout", "Small illustrations with things where their boxes are.", Condition(layout=LayoutConfig(width=48, depth=2))
    )


def semantic_map() -> Recipe:
    """Scenes by what lies where, at any size."""
    condition = Condition(hint=SemanticMapConfig(context_width=64))
    return _task("semantic-map", "Small illustrations by a map of what lies where, at any size.", condition)


def super_resolution() -> Recipe:
    """Pictures four times larger."""
    condition = Condition(hint=LowResolutionConfig(factor=4))
    return _task("super-resolution", "Draws small illustrations four times larger.", condition, guidance_scale=1.0)


def inpainting() -> Recipe:
    """What belongs into a hole."""
    condition = Condition(hint=InpaintingConfig())
    return _task("inpainting", "Draws what belongs into the holes of small illustrations.", condition, guidance_scale=1.0)


def _task(name: str, summary: str, condition: Condition, *, max_objects: int = 4, guidance_scale: float = 2.0) -> Recipe:
    recipe, told_in_words = emoji.recipe(), condition.hint is None and name != "unconditional"
    return replace(
        recipe,
        name=name,
        summary=summary,
        data=replace(recipe.data, max_objects=max_objects),
        denoiser=DENOISER,
        text=None,
        # the naming of what lies where is for models that are told it in words, and looking at the words for those with several
        stage_two=replace(
            recipe.stage_two,
            alignment=0.1 if told_in_words else 0.0,
            grounding=0.3 if told_in_words and condition.classes is None else 0.0,
            # of layouts every box says itself where it lies, and nothing else has words
            placing=0.0,
            in_places=0.0,
        ),
        condition=condition,
        first_stage="emoji-scenes",
        sampling=Sampling(num_steps=25, guidance_scale=1.0 if name == "unconditional" else guidance_scale),
        prompts=(),
        num_latents=40_000,
    )
