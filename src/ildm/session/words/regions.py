"""What was asked of regions, in words."""

from __future__ import annotations

from ildm.session import commands as ask
from ildm.session.settings import Region
from ildm.session.words.base import area, count, in_words, quoted


@in_words.register
def _add_region(command: ask.AddRegion) -> str:
    return f"the region {quoted(_name(command.region))} came{_prompt(command.region)}"


@in_words.register
def _add_region_from_word(command: ask.AddRegionFromWord) -> str:
    return f"the region {quoted(_name(command.region))} came where {quoted(command.word)} is{_prompt(command.region)}"


@in_words.register
def _change_region(command: ask.ChangeRegion) -> str:
    return f"the region {quoted(_name(command.region))} changed{_prompt(command.region)}"


@in_words.register
def _remove_region(command: ask.RemoveRegion) -> str:
    return f"the region {quoted(command.id)} went"


@in_words.register
def _reorder_regions(command: ask.ReorderRegions) -> str:
    return f"the regions came into the order {', '.join(map(quoted, command.ids)) or 'of none'}"


@in_words.register
def _replace_regions(command: ask.ReplaceRegions) -> str:
    return f"all regions went, and {count(len(command.regions), 'other')} came"


@in_words.register
def _paint_region(command: ask.PaintRegion) -> str:
    done = "erased from" if command.erase else "painted into"
    return f"{area(command.patch)} at ({command.left}, {command.top}) was {done} the region {quoted(command.id)}"


@in_words.register
def _set_region_rules(command: ask.SetRegionRules) -> str:
    said = [
        None if command.mode is None else f"are drawn by {command.mode}",
        None if command.overlap is None else f"overlap by {command.overlap}",
        None if command.common_prompt is None else f"share {quoted(command.common_prompt)}",
    ]
    return f"the regions {', '.join(one for one in said if one) or 'act as before'}"


def _name(region: Region) -> str:
    return region.name or region.id


def _prompt(region: Region) -> str:
    return f": {quoted(region.prompt)}" if region.prompt else ""
