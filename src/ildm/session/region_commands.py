"""What a person can ask of the regions of a run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ildm.session.settings import MAX_REGIONS, Overlap, Region, RegionMode
from ildm.session.wire import Count, Mask, Message, Name, Strict, Text


class AddRegion(Message):
    """Bind a prompt to an area. The region's own mask is None; `mask` is it."""

    kind: Literal["add-region"] = "add-region"
    region: Region
    mask: Mask | None = None


class AddRegionFromWord(Message):
    """Bind a prompt to where a word of a prompt is, as the network sees it a step or more into the run.

    Args:
        word: one of the picture's prompt, or a few that stand together in it.
        region: its own mask is None, and where it has no prompt that is the word.
        mask: where the word is, once that is known; None = to be found out, which a live run does beside its steps.
    """

    kind: Literal["add-region-from-word"] = "add-region-from-word"
    word: Annotated[str, Field(min_length=1, max_length=200)]
    region: Region
    mask: Mask | None = None


class ChangeRegion(Message):
    """Replace a region's fields but its mask."""

    kind: Literal["change-region"] = "change-region"
    region: Region


class RemoveRegion(Message):
    """Let a region go."""

    kind: Literal["remove-region"] = "remove-region"
    id: Name


class ReorderRegions(Message):
    """Bring the regions into this order, the uppermost last. Every region is named once."""

    kind: Literal["reorder-regions"] = "reorder-regions"
    ids: Annotated[tuple[Name, ...], Field(max_length=MAX_REGIONS)]


class PaintRegion(Message):
    """Paint into a region's mask, or erase: a patch whose upper left corner lies at (left, top) pixels of the picture.

    Args:
        stroke: a number that patches share which come one after another and are one change: an undo takes them back together.
    """

    kind: Literal["paint-region"] = "paint-region"
    id: Name
    patch: Mask
    left: Annotated[int, Field(ge=0, le=4096)] = 0
    top: Annotated[int, Field(ge=0, le=4096)] = 0
    erase: bool = False
    stroke: Count | None = None


class SetRegionRules(Message):
    """Say how all regions act together; None = as it is.

    Args:
        mode: how they are drawn. overlap: who rules where they lie on each other. common_prompt: said before each of their prompts.
    """

    kind: Literal["set-region-rules"] = "set-region-rules"
    mode: RegionMode | None = None
    overlap: Overlap | None = None
    common_prompt: Text | None = None


class Placed(Strict):
    """A region and where it is; the region's own mask is None."""

    region: Region
    mask: Mask | None = None


class ReplaceRegions(Message):
    """Let all regions go and put others in their place, as a preset does; None = as it is.

    Args:
        regions: the uppermost last.
        prompt, negative_prompt: of the whole picture.
        mode, overlap, common_prompt: see `SetRegionRules`.
    """

    kind: Literal["replace-regions"] = "replace-regions"
    regions: Annotated[tuple[Placed, ...], Field(max_length=MAX_REGIONS)]
    prompt: Text | None = None
    negative_prompt: Text | None = None
    mode: RegionMode | None = None
    overlap: Overlap | None = None
    common_prompt: Text | None = None


RegionCommand = (
    AddRegion | AddRegionFromWord | ReplaceRegions | ChangeRegion | RemoveRegion | ReorderRegions | PaintRegion | SetRegionRules
)
"""Commands that change regions, and nothing else."""
