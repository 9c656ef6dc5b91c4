"""From a divided image to what a person types into Regional Prompter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ildm.conditioning.ratios import Box, Direction
from ildm.conditioning.regional_prompter.division import Division
from ildm.conditioning.regional_prompter.grid import groups, write_ratios
from ildm.conditioning.regional_prompter.keywords import find
from ildm.conditioning.regional_prompter.settings import Settings
from ildm.core.errors import ConfigError

_ADDED = ("ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW")


def write_division(division: Division) -> tuple[str, str, Settings]:
    """Write a division whose areas are the cells of a grid.

    Args:
        division: how areas would overlap is not written, since cells do not.

    Returns:
        the prompt, the negative prompt, and the settings that read the same division from them, the ratios among these.

    Raises:
        ConfigError: when the areas are no such grid (write them by `write_colours`), or when a prompt has a word in it that would
            divide it.
    """
    boxes = [part.area for part in division.parts if isinstance(part.area, tuple)]
    if len(boxes) != len(division.parts):
        raise ConfigError(
            "Ratios describe boxes, but a part of this division has a mask or a word for its area: write the areas as a colour mask."
        )
    ratios, mode = write_ratios(boxes)
    _check_words(division)
    shares = [repr(part.base_ratio) for part in division.parts]
    has_base = bool(division.base_prompt) or any(part.base_ratio for part in division.parts)
    settings = Settings(
        ratios=ratios,
        mode=mode,
        flip=False,
        base_ratios=shares[0] if len(set(shares)) == 1 else ",".join(shares),
        use_base=has_base,
        use_common=bool(division.common_prompt),
        use_common_negative=bool(division.common_negative_prompt),
        keep_and=any(find(text, "AND") for _, text in _texts(division)),
        threshold="",
        calculation=division.calculation,
    )
    return _prompt(division, boxes, mode, has_base), _negative_prompt(division), settings


def _prompt(division: Division, boxes: Sequence[Box], direction: Direction, has_base: bool) -> str:
    outer, inner = ("ADDROW", "ADDCOL") if direction == "columns" else ("ADDCOL", "ADDROW")
    counts = [len(group) for group in groups(boxes, direction)]
    text, number = _shared(division.common_prompt, division.base_prompt if has_base else None), 0
    for place, count in enumerate(counts):
        for cell in range(count):
            if cell:
                text += f" {inner}\n"
            elif place:
                text += f" {outer}\n"
            text += division.parts[number].prompt
            number += 1
    return text


def _negative_prompt(division: Division) -> str:
    own = [part.negative_prompt for part in division.parts]
    if set(own) == {division.negative_prompt} and not find(own[0], "BREAK"):
        return _shared(division.common_negative_prompt, None) + own[0]
    base = division.negative_prompt if division.negative_prompt or len(own) == 1 else None
    return _shared(division.common_negative_prompt, base) + " ADDCOL\n".join(own)


def _shared(common: str, base: str | None) -> str:
    written = f"{common} ADDCOMM\n" if common else ""
    return written if base is None else f"{written}{base} ADDBASE\n"


def _texts(division: Division) -> Iterator[tuple[str, str]]:
    yield "common prompt", division.common_prompt
    yield "base prompt", division.base_prompt
    yield "common negative prompt", division.common_negative_prompt
    yield "base's negative prompt", division.negative_prompt
    for number, part in enumerate(division.parts, start=1):
        yield f"prompt of region {number}", part.prompt
        yield f"negative prompt of region {number}", part.negative_prompt


def _check_words(division: Division) -> None:
    """Refuse what would be read as other texts than it is."""
    for name, text in _texts(division):
        # between the cells of a grid a BREAK is a part of the text, but a single cell has no ADDCOL beside it
        words = (*_ADDED, "BREAK") if len(division.parts) == 1 and "region" in name else _ADDED
        found = find(text, *words)
        if found:
            raise ConfigError(rf"The {name} has {found[0]} in it, which would divide it: write \{found[0]} for the plain word.")
