"""What a command makes of the settings: pure functions, without a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ildm.session.commands import (
    Choice,
    ForgetFeedback,
    SetGuidance,
    SetNegativePrompt,
    SetNumSteps,
    SetPrompt,
    SetSampler,
    StartOver,
)
from ildm.session.settings import Settings
from ildm.session.wire import Mask, checked

SettingsCommand = SetPrompt | SetNegativePrompt | SetGuidance | SetSampler | SetNumSteps | ForgetFeedback
"""Commands that change how the coming steps are made, and nothing else."""


def edited(settings: Settings, command: SettingsCommand) -> Settings:
    """The settings after a command."""
    match command:
        case SetPrompt(text=text):
            return changed(settings, prompt=text)
        case SetNegativePrompt(text=text):
            return changed(settings, negative_prompt=text)
        case SetGuidance(scale=scale, rescale=rescale):
            kept = settings.guidance_rescale if rescale is None else rescale
            return changed(settings, guidance_scale=scale, guidance_rescale=kept)
        case SetSampler(name=name):
            return changed(settings, sampler=name)
        case SetNumSteps(num_steps=num_steps):
            return changed(settings, num_steps=num_steps)
        case ForgetFeedback():
            return changed(settings, feedback=())


def chosen(settings: Settings, choice: Choice) -> Settings:
    """The settings of one cell of a comparison."""
    begun = settings if choice.seed is None else started_over(settings, StartOver(seed=choice.seed))
    return changed(begun, **choice.given())


def started_over(settings: Settings, command: StartOver) -> Settings:
    """The settings of a run from noise. What a person locked stays, where the size does; what was liked and disliked still counts."""
    fields = command.model_dump(exclude={"kind", "version"}, exclude_none=True)
    begun = changed(settings, start=None, initial_noise=None, **fields)
    return changed(begun, holds=tuple(one for one in settings.holds if one.locked and begun.size == settings.size))


def changed(settings: Settings, **fields: object) -> Settings:
    """A checked copy with other values.

    Raises:
        ConfigError: when a value is out of range.
    """
    # read anew rather than copied, so that nothing comes in unchecked
    return checked(Settings, {**{name: getattr(settings, name) for name in Settings.model_fields}, **fields})


def kept_inside(area: Mask) -> Mask:
    """The change map that keeps an area and lets the rest go."""
    return Mask.from_array(1.0 - area.to_array())


def released(change: Mask, area: Mask) -> Mask:
    """A change map that also lets an area go; a map of another size is brought to the area's."""
    return Mask.from_array(np.maximum(_resized(change, area.width, area.height), area.to_array()))


def is_free_in(changes: Sequence[Mask], area: Mask) -> bool:
    """Whether some place of an area may change by all of these maps."""
    inside = area.to_array() > 0.0
    return bool(
        inside[np.logical_and.reduce([_resized(one, area.width, area.height) > 0.0 for one in changes] or [inside])].any()
    )


def _resized(mask: Mask, width: int, height: int) -> NDArray[np.float32]:
    """A mask's values at another size, (height, width): each pixel takes that of the place where its middle lies."""
    rows = (np.arange(height) + 0.5) * mask.height / height
    columns = (np.arange(width) + 0.5) * mask.width / width
    return mask.to_array()[rows.astype(int)[:, None], columns.astype(int)[None]]


def strengthened(change_map: Mask | None, strength: float) -> Mask:
    """A change map with its values multiplied; one pixel, that value, where there is none."""
    values = np.ones((1, 1), np.float32) if change_map is None else change_map.to_array()
    return Mask.from_array(values * strength)
