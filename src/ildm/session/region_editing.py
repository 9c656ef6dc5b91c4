"""What a region command makes of the settings."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ildm.core.errors import ConfigError, nearest
from ildm.core.masks import area_average
from ildm.session.blobs import Blobs
from ildm.session.editing import changed
from ildm.session.refusals import NotNow
from ildm.session.region_commands import (
    AddRegion,
    AddRegionFromWord,
    ChangeRegion,
    PaintRegion,
    RegionCommand,
    RemoveRegion,
    ReorderRegions,
    ReplaceRegions,
    SetRegionRules,
)
from ildm.session.settings import MAX_REGIONS, Region, Settings
from ildm.session.wire import Mask


def with_regions(settings: Settings, command: RegionCommand, blobs: Blobs) -> Settings:
    """The settings after a region command.

    Raises:
        ConfigError: for a region that is not there, or is there already, or is wrong in itself.
        NotNow: when there are as many regions as there can be.
    """
    regions = settings.regions
    match command:
        case AddRegion(region=region, mask=mask):
            return changed(settings, regions=(*regions, _added(settings, region, mask, blobs)))
        case AddRegionFromWord(word=word, region=region, mask=mask):
            named = region if region.prompt else region.model_copy(update={"prompt": word})
            return changed(settings, regions=(*regions, _added(settings, named, mask, blobs)))
        case ChangeRegion(region=region):
            former = region_named(settings, region.id)
            kept = region.model_copy(update={"mask": former.mask})
            return changed(settings, regions=tuple(kept if one is former else one for one in regions))
        case RemoveRegion(id=name):
            gone = region_named(settings, name)
            return changed(settings, regions=tuple(one for one in regions if one is not gone))
        case ReorderRegions(ids=ids):
            if sorted(ids) != sorted(one.id for one in regions):
                raise ConfigError(
                    f"An order names every region once, but there are {_listed(settings)}, and {', '.join(map(repr, ids)) or 'none'} came."
                )
            return changed(settings, regions=tuple(region_named(settings, name) for name in ids))
        case PaintRegion(id=name):
            former = region_named(settings, name)
            painted = former.model_copy(update={"mask": blobs.put_mask(_painted(settings, former, command, blobs))})
            return changed(settings, regions=tuple(painted if one is former else one for one in regions))
        case SetRegionRules():
            return _ruled(settings, command)
        case ReplaceRegions(regions=placed, prompt=prompt, negative_prompt=negative):
            bare = _ruled(changed(settings, regions=()), command)
            for one in placed:
                bare = changed(bare, regions=(*bare.regions, _added(bare, one.region, one.mask, blobs)))
            given = {"prompt": prompt, "negative_prompt": negative}
            return changed(bare, **{name: value for name, value in given.items() if value is not None})


def _ruled(settings: Settings, command: SetRegionRules | ReplaceRegions) -> Settings:
    given = {"region_mode": command.mode, "overlap": command.overlap, "common_prompt": command.common_prompt}
    return changed(settings, **{name: value for name, value in given.items() if value is not None})


def region_named(settings: Settings, name: str) -> Region:
    """The region of that id.

    Raises:
        ConfigError: when there is none.
    """
    for one in settings.regions:
        if one.id == name:
            return one
    raise ConfigError(f"There is no region {name!r}: {nearest(name, (one.id for one in settings.regions))}")


def _added(settings: Settings, region: Region, mask: Mask | None, blobs: Blobs) -> Region:
    if len(settings.regions) >= MAX_REGIONS:
        raise NotNow(f"At most {MAX_REGIONS} regions act at once: let some go first.")
    if any(one.id == region.id for one in settings.regions):
        raise ConfigError(f"There is a region {region.id!r} already: change it, or choose another id.")
    if region.mask is not None:
        raise ConfigError("A new region's mask comes beside it, as `mask`, but it names one itself: leave that out.")
    return region if mask is None else region.model_copy(update={"mask": blobs.put_mask(mask)})


def _painted(settings: Settings, region: Region, stroke: PaintRegion, blobs: Blobs) -> Mask:
    """A region's mask at the picture's size, with a stroke in it. What lies beside the picture is lost."""
    width, height = settings.size
    values = np.zeros((height, width), np.float32)
    if region.mask is not None:
        values = _values(blobs.mask(region.mask), width, height)
    patch = stroke.patch.to_array()[: max(0, height - stroke.top), : max(0, width - stroke.left)]
    under = values[stroke.top : stroke.top + patch.shape[0], stroke.left : stroke.left + patch.shape[1]]
    under[...] = np.minimum(under, 1.0 - patch) if stroke.erase else np.maximum(under, patch)
    return Mask.from_array(_whole_bytes(values))


def at_size(mask: Mask, width: int, height: int) -> Mask:
    """A mask brought to a size in pixels by area averaging."""
    return mask if (mask.width, mask.height) == (width, height) else Mask.from_array(_values(mask, width, height))


def _values(mask: Mask, width: int, height: int) -> NDArray[np.float32]:
    values = mask.to_array()
    if (mask.height, mask.width) == (height, width):
        return values
    return area_average(torch.from_numpy(values), (height, width)).numpy()


def _whole_bytes(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(values * 255.0).astype(np.uint8)


def _listed(settings: Settings) -> str:
    return ", ".join(repr(one.id) for one in settings.regions) or "none"
