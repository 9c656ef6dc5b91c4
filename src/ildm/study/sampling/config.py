"""The sampling study as a value: which model, and the settings at which it is judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.data.splits import Split
from ildm.model import Model

Axis = Literal["guidance", "steps", "sampler"]
AXES: tuple[Axis, ...] = ("guidance", "steps", "sampler")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How a model is sampled."""

    num_steps: int
    guidance_scale: float
    sampler: str

    @property
    def name(self) -> str:
        """Of its folder, another for every setting: `dpmpp-2m-25-steps-guidance-3`."""
        return f"{self.sampler}-{self.num_steps}-steps-guidance-{say_exactly(self.guidance_scale)}"

    def on(self, axis: Axis) -> float | int | str:
        """Its value on an axis."""
        values: dict[Axis, float | int | str] = {
            "guidance": self.guidance_scale,
            "steps": self.num_steps,
            "sampler": self.sampler,
        }
        return values[axis]


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """Everything that decides what the study finds.

    Args:
        model: its name; weights: the hash of all that it is made of.
        device, dtype: what draws, such as "cpu", and in which number format; figures in others are other figures.
        base: the setting from which one thing at a time is changed.
        guidance_scales, num_steps, samplers: what the one thing is changed to.
        split: of EmojiScenes, whose scenes are asked for.
        num_images: scenes drawn at each setting, for distances.
        num_probes: scenes with one and with two objects drawn at each setting, for accuracies.
        metrics: registered names.
        seed: of the first picture of every set, the same at every setting.
        sprites: see `EmojiScenesConfig`.
    """

    model: str
    weights: str
    device: str
    dtype: str
    base: Setting
    guidance_scales: tuple[float, ...]
    num_steps: tuple[int, ...]
    samplers: tuple[str, ...] = ()
    split: Split = "unseen_scene"
    num_images: int = 384
    num_probes: int = 384
    metrics: tuple[str, ...] = ()
    seed: int = 0
    sprites: Literal["cache", "sample"] = "cache"

    def __post_init__(self) -> None:
        scales = self.guidance_scales
        if any(not (math.isfinite(scale) and scale >= 0) for scale in scales) or any(steps < 1 for steps in self.num_steps):
            raise ConfigError(
                "Guidance is 0 or more and steps are 1 or more, but "
                f"{_listed(scales)} and {_listed(self.num_steps)} were given."
            )
        for sampler in self.samplers:
            extensions.load("ildm.samplers", sampler)
        if not self.metrics:
            raise ConfigError("A study judges by something: name a metric, such as prompt-accuracy.")
        for metric in self.metrics:
            extensions.load("ildm.metrics", metric)

    def axis(self, axis: Axis) -> tuple[Setting, ...]:
        """The settings that differ on one axis alone, the base among them, in order; empty where nothing was to be changed."""
        base = self.base
        changed: dict[Axis, list[Setting]] = {
            "guidance": [replace(base, guidance_scale=float(scale)) for scale in self.guidance_scales],
            "steps": [replace(base, num_steps=steps) for steps in self.num_steps],
            "sampler": [replace(base, sampler=sampler) for sampler in self.samplers],
        }
        several = dict.fromkeys((base, *changed[axis]))
        if len(several) == 1:
            return ()
        # samplers stay in the order in which they were named
        return tuple(several) if axis == "sampler" else tuple(sorted(several, key=lambda one: one.on(axis)))

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every setting once, the base first."""
        return tuple(dict.fromkeys((self.base, *(setting for axis in AXES for setting in self.axis(axis)))))


def default(model: Model, metrics: Sequence[str]) -> SamplingConfig:
    """Guidance from 1 to 7 and 10 to 50 steps around the model's own defaults.

    Args:
        metrics: all that there are, by which the model can be judged.
    """
    defaults = model.manifest.defaults
    return SamplingConfig(
        model=model.manifest.name,
        weights=model.hash,
        device=model.device.type,
        dtype=str(model.dtype).removeprefix("torch."),
        base=Setting(num_steps=defaults.num_steps, guidance_scale=defaults.guidance_scale, sampler=defaults.sampler),
        guidance_scales=(1.0, 2.0, 3.0, 5.0, 7.0) if is_guided(model) else (),
        num_steps=(10, 15, 25, 50),
        metrics=tuple(metrics),
    )


def is_guided(model: Model) -> bool:
    """Whether a model has learned to draw without its condition, so that guidance has something to move away from."""
    return model.conditioner is not None or (model.hint is not None and model.hint.config.dropout > 0.0)


def check_guided(model: Model) -> None:
    """See that guidance does something.

    Raises:
        ConfigError: when it would not.
    """
    if not is_guided(model):
        raise ConfigError(
            f"The model {model.manifest.name!r} has not learned to draw without its condition, so guidance changes nothing: leave it out."
        )


def tiny(config: SamplingConfig) -> SamplingConfig:
    """Every part at work within seconds, on the sprites inside the package; its figures say nothing."""
    base = replace(config.base, num_steps=2)
    return replace(
        config,
        base=base,
        guidance_scales=config.guidance_scales[:1],
        num_steps=(1,),
        num_images=10,
        num_probes=2,
        sprites="sample",
    )


def say_exactly(value: float) -> str:
    """A number in as few digits as tell it from every other one."""
    short = f"{value:g}"
    return short if float(short) == value or not math.isfinite(value) else repr(value)


def _listed(values: Sequence[float]) -> str:
    return ", ".join(map(say_exactly, values)) or "none"
