"""Presets of regions: areas with their prompts, and the rules they act by, as one value that fits a picture of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from ildm.conditioning.regional_prompter.division import Division, Word
from ildm.core.errors import ConfigError
from ildm.session.mask_pictures import in_uri, mask_of_png, png_named, png_of_mask
from ildm.session.region_commands import Placed, ReplaceRegions
from ildm.session.settings import MAX_LORAS, MAX_REGIONS, Lora, Overlap, Region, RegionMode, Settings
from ildm.session.wire import Count, Guidance, Mask, Name, Seed, Share, Strict, Text, checked

FORMAT, VERSION = "ildm-regions", 1
FOLDER = "folder"
"""In the context that a preset is read in: where the pictures lie that it names."""


def _read_mask(given: Any, info: Any) -> Any:
    """A mask that a file names or holds."""
    if isinstance(given, str):
        return mask_of_png(png_named(given, (info.context or {}).get(FOLDER)))
    if given is None or isinstance(given, Mask):
        return given
    raise ValueError("a mask is the name of a PNG, or one as a data URI: name a file")


def _written_mask(mask: Mask | None) -> str | None:
    return None if mask is None else in_uri(png_of_mask(mask))


class PresetRegion(Strict):
    """A region of a preset. What is not told here is as in `settings.Region`.

    Args:
        box: where it is: (left, top, right, bottom) in rising fractions of the picture's sides; or
        mask: where it is, of any size; in a file, a PNG as a data URI or the name of one that lies beside it. Without either it is
            nowhere yet, to be painted.
    """

    name: Text = ""
    prompt: Text = ""
    negative_prompt: Text = ""
    strength: float = Field(default=1.0, ge=0.0, le=10.0)
    base_ratio: Share = 0.0
    guidance_scale: Guidance | None = None
    seed: Seed | None = None
    window: tuple[Count, Count] | None = None
    loras: tuple[Lora, ...] = Field(default=(), max_length=MAX_LORAS)
    box: tuple[Share, Share, Share, Share] | None = None
    mask: Annotated[
        Mask | None, BeforeValidator(_read_mask), PlainSerializer(_written_mask, return_type=str | None, when_used="json")
    ] = None

    @model_validator(mode="after")
    def _sound(self) -> PresetRegion:
        if self.box is not None and self.mask is not None:
            raise ValueError("it has a box and a mask, but only one of them can say where it is: take the other out")
        if self.box is not None and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise ValueError(
                f"a box is [left, top, right, bottom] in rising fractions, but {list(self.box)} came: turn it round"
            )
        if self.window is not None and not self.window[0] < self.window[1]:
            raise ValueError(f"a window is [start, stop) with stop behind start, but {list(self.window)} came: make it longer")
        return self

    def area(self, width: int, height: int) -> Mask | None:
        """Where it is in a picture of that size, in pixels; None = nowhere yet."""
        return self.mask if self.box is None else Mask.rectangle(width, height, self.box)


class RegionPreset(Strict):
    """Regions by a name, the uppermost last.

    Args:
        description: for people.
        prompt, negative_prompt: of the whole picture; None = as they are where the preset is used.
        common_prompt, overlap, mode: see `Settings`.
    """

    format: Literal["ildm-regions"] = FORMAT
    version: Literal[1] = VERSION
    name: Name
    description: Text = ""
    prompt: Text | None = None
    negative_prompt: Text | None = None
    common_prompt: Text = ""
    overlap: Overlap = "normalise"
    mode: RegionMode = "attention"
    regions: tuple[PresetRegion, ...] = Field(default=(), max_length=MAX_REGIONS)

    def command(self, width: int, height: int, *, ids: Sequence[str] | None = None) -> ReplaceRegions:
        """What puts these regions in the place of all others, in a picture of that size, in pixels.

        Args:
            ids: of the regions, in order; None = "1", "2", ...

        Raises:
            ConfigError: when there are not as many ids as regions.
        """
        names = [str(number) for number in range(1, len(self.regions) + 1)] if ids is None else list(ids)
        if len(names) != len(self.regions):
            raise ConfigError(
                f"The preset {self.name!r} has {len(self.regions)} regions, but {len(names)} ids were given for them."
            )
        return checked(
            ReplaceRegions,
            {
                "regions": tuple(
                    Placed(region=checked(Region, {"id": name, **_said(one)}), mask=one.area(width, height))
                    for name, one in zip(names, self.regions, strict=True)
                ),
                **{name: getattr(self, name) for name in ("prompt", "negative_prompt", "mode", "overlap", "common_prompt")},
            },
        )


def preset_of(settings: Settings, mask_of: Callable[[str], Mask], name: str) -> RegionPreset:
    """The regions of a run as a preset, with the prompts of the whole picture.

    Args:
        mask_of: the mask of a hash, as `Blobs.mask` has it.

    Raises:
        ConfigError: when the name is empty or longer than 200 characters.
    """
    return checked(
        RegionPreset,
        {
            "name": name,
            "prompt": settings.prompt,
            "negative_prompt": settings.negative_prompt,
            "common_prompt": settings.common_prompt,
            "overlap": settings.overlap,
            "mode": settings.region_mode,
            "regions": tuple(
                PresetRegion(**_said(one), mask=None if one.mask is None else mask_of(one.mask)) for one in settings.regions
            ),
        },
    )


def preset_from_division(division: Division, name: str) -> RegionPreset:
    """What Regional Prompter divides a picture into, as a preset.

    A part's negative prompt has the common one before it; one that is empty then becomes the whole picture's.

    Raises:
        ConfigError: when an area follows a word, or there are more than 64 parts.
    """
    areas = [part.area for part in division.parts]
    word = next((area.text for area in areas if isinstance(area, Word)), None)
    if word is not None:
        raise ConfigError(
            f"An area follows the word {word!r}, and where that is shows only while a picture is drawn: give boxes or a mask, "
            "or add the region to a session with `session.regions.add_from_word`."
        )
    if len(areas) > MAX_REGIONS:
        raise ConfigError(f"A picture has at most {MAX_REGIONS} regions, but {len(areas)} texts were given: leave some out.")
    return checked(
        RegionPreset,
        {
            "name": name,
            "prompt": division.base_prompt,
            "negative_prompt": division.negative_prompt,
            "common_prompt": division.common_prompt,
            "overlap": division.overlap,
            "mode": division.calculation,
            "regions": tuple(
                {
                    "prompt": part.prompt,
                    "negative_prompt": negative,
                    "base_ratio": part.base_ratio,
                    **({"mask": Mask.from_array(area)} if isinstance(area, np.ndarray) else {"box": area}),
                }
                for part, negative, area in zip(division.parts, division.negative_prompts(), areas, strict=True)
            ),
        },
    )


def _said(region: Region | PresetRegion) -> dict[str, Any]:
    """What a region and one of a preset have in common: all but where it is, and its id."""
    return {name: getattr(region, name) for name in Region.model_fields if name not in ("id", "mask")}
