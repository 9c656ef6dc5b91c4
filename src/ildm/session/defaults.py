"""What a new run is like where nothing else was said."""

from __future__ import annotations

import reprlib
from typing import Any

from ildm.core.arguments import check_arguments
from ildm.core.errors import ConfigError
from ildm.core.seeds import check_seed, draw_seed
from ildm.model import Model
from ildm.session.settings import Settings
from ildm.session.wire import checked


def settings_for(
    model: Model,
    *,
    prompt: str = "",
    negative_prompt: str = "",
    num_steps: int | None = None,
    guidance_scale: float | None = None,
    sampler: str | None = None,
    seed: int | None = None,
    width: int | None = None,
    height: int | None = None,
) -> Settings:
    """The settings of a new run; None = the default in the model's manifest.

    Raises:
        ConfigError, ShapeError: for a value of another kind, or one that cannot be; for something else than a model.
    """
    if not isinstance(model, Model):
        raise ConfigError(f"A session is of a model, but {reprlib.repr(model)} was given: load one by `ildm.load`.")
    check_arguments(
        prompt=prompt,
        negative_prompt=negative_prompt,
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        sampler=sampler,
        seed=seed,
        width=width,
        height=height,
    )
    defaults, native = model.manifest.defaults, model.image_size
    given: dict[str, Any] = {
        "prompt": prompt,
        "negative_prompt": negative_prompt,
        "num_steps": defaults.num_steps if num_steps is None else num_steps,
        "guidance_scale": defaults.guidance_scale if guidance_scale is None else guidance_scale,
        "guidance_rescale": defaults.guidance_rescale,
        "sampler": defaults.sampler if sampler is None else sampler,
        "seed": draw_seed() if seed is None else check_seed(seed),
        "width": native[0] if width is None else width,
        "height": native[1] if height is None else height,
    }
    settings = checked(Settings, given)
    model.check_size(settings.size)
    return settings
