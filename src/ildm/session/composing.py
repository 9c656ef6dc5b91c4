"""The words of settings, and the areas they belong to, as the denoiser's composition."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ildm.conditioning.composition import Composition, Words
from ildm.conditioning.regions import Region
from ildm.session import settings as ask
from ildm.session.settings import Settings

AHEAD = 256
"""Words of a run that are encoded before its settings act: those of a schedule's first steps, where it has more."""


def wording_of(settings: Settings) -> tuple[object, ...]:
    """What a composition depends on."""
    regions, rules = settings.regions, (settings.common_prompt, settings.overlap, settings.region_mode)
    return (settings.prompt, settings.negative_prompt, settings.guidance_scale, regions, rules if regions else ())


def composition_of(settings: Settings, masks: Mapping[str, Tensor]) -> Composition:
    """The composition that settings describe; regions that are nowhere yet are no part of it.

    Args:
        masks: (height, width) in [0, 1], by the regions' mask hashes.
    """
    return _composed(settings, [(one, masks[one.mask]) for one in settings.regions if one.mask is not None])


def words_of(settings: Settings) -> list[Words]:
    """What must be encoded before settings can act, wherever their regions are."""
    anywhere = torch.ones(1, 1)
    return _composed(settings, [(one, anywhere) for one in settings.regions]).words(settings.num_steps, AHEAD)


def _composed(settings: Settings, painted: list[tuple[ask.Region, Tensor]]) -> Composition:
    return Composition(
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt,
        guidance_scale=settings.guidance_scale,
        regions=tuple(
            Region(
                prompt=one.prompt,
                mask=mask,
                negative_prompt=one.negative_prompt,
                strength=one.strength,
                base_ratio=one.base_ratio,
                guidance_scale=one.guidance_scale,
                seed=one.seed,
                window=one.window,
                adapters=tuple((lora.name, lora.strength) for lora in one.loras),
            )
            for one, mask in painted
        ),
        common_prompt=settings.common_prompt,
        overlap=settings.overlap,
        mode=settings.region_mode,
    )
