"""From what a person types into Regional Prompter to a divided image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from PIL.Image import Image

from ildm.conditioning.prompt import weights
from ildm.conditioning.ratios import Direction, read_ratios, split
from ildm.conditioning.regional_prompter.colours import describe_colour, read_colours
from ildm.conditioning.regional_prompter.division import Area, Calculation, Division, Overlap, Part, Word, kept_mask
from ildm.conditioning.regional_prompter.grid import even, filled
from ildm.conditioning.regional_prompter.keywords import Sections, read_sections
from ildm.core.errors import ConfigError, nearest

Mode = Literal["columns", "rows", "mask", "prompt", "prompt-ex"]
"""How areas are given: by ratios, by a colour mask, or by words of the base prompt."""

Mask = Image | Sequence[np.ndarray]
"""A picture in Regional Prompter's colours, or one mask (height, width) in [0, 1] for each region."""

_MODES: dict[str, Overlap] = {
    "columns": "normalise",
    "rows": "normalise",
    "mask": "normalise",
    "prompt": "add",
    "prompt-ex": "z-order",
}
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA_MARK = re.compile(r"\\.|[()\[\],]", re.DOTALL)


def read_division(
    prompt: str,
    negative_prompt: str = "",
    *,
    ratios: str = "1,1",
    mode: Mode = "columns",
    flip: bool = False,
    base_ratios: str = "0.2",
    use_base: bool = False,
    use_common: bool = False,
    use_common_negative: bool = False,
    keep_and: bool = False,
    threshold: str = "0.4",
    calculation: Calculation = "attention",
    mask: Mask | None = None,
) -> Division:
    r"""Read a prompt for several regions with the settings beside it.

    The texts between BREAK are the regions' prompts; ADDCOL and ADDROW say that the next region is beside or below, and a BREAK is
    then a part of a region's text. ADDCOMM behind the first text makes it common, ADDBASE behind it makes it the base. A word with
    a backslash in front, as `\BREAK`, is plain text.

    Args:
        negative_prompt: divided in the same way; one text alone serves all regions and the base. With a base there may be one text
            more than there are regions, which is the base's.
        ratios: see `ildm.conditioning.ratios.split`. Empty: all of one size. Beside ADDCOL and ADDROW they are the sizes of the cells
            that these make, see `ildm.conditioning.regional_prompter.grid.filled`; without `;`, beside one of the two words alone, they
            are sizes along it. Not read by the other modes.
        mode: for `prompt` and `prompt-ex` the first text is always the base, and each region's ends in a comma and a word of the base
            prompt, which says where; areas that overlap are added in the one and cover what came before in the other.
        flip: swap `,` and `;` in the ratios.
        base_ratios: the base's share in [0, 1], one for all regions or one for each, `,` or `;` between; empty = 0. Not read
            without a base, nor where words are the areas.
        use_base: the first text is the base, with or without ADDBASE.
        use_common: the first text, before that of the base, is common, with or without ADDCOMM.
        use_common_negative: the first text of the negative prompt is common, with or without ADDCOMM.
        keep_and: leave AND to compose prompts; otherwise it is a BREAK.
        threshold: for words, in [0, 1], one for all regions or one for each.
        mask: for mode `mask`, not read by the others. What no region covers belongs to the first one where there is no base.

    Returns:
        as many parts as regions, in the prompt's order. Without a base every part's base ratio is 0.

    Raises:
        ConfigError: when there are not as many texts as regions, or for a value that is none.
        DataError: when the mask cannot be read.
    """
    if mode not in _MODES:
        raise ConfigError(f"{mode!r} is no mode of dividing an image: {nearest(mode, _MODES)}")
    is_grid, by_word = mode in ("columns", "rows"), mode in ("prompt", "prompt-ex")
    told = read_sections(prompt, use_common=use_common, use_base=use_base or by_word, keep_and=keep_and, cells=is_grid)
    if not told.texts:
        raise ConfigError(
            "A divided prompt has a text for each region behind the common and the base one, but there is none: write it behind a BREAK."
        )
    count = len(told.texts)
    areas: Sequence[Area]
    if mode == "columns" or mode == "rows":
        areas = _boxes(ratios, mode, flip, told)
    elif mode == "mask":
        areas = _masks(mask, count, fill=told.base is None)
    else:
        thresholds = _each("threshold", threshold, count)
        areas = [_word(text, value) for text, value in zip(told.texts, thresholds, strict=True)]
    shares = [0.0] * count if told.base is None or by_word else _each("base_ratios", base_ratios, count)
    avoided = read_sections(negative_prompt, use_common=use_common_negative, use_base=False, keep_and=keep_and, cells=is_grid)
    base_negative, negatives = _negatives(avoided, count, has_base=told.base is not None)
    return Division(
        base_prompt=told.base or "",
        negative_prompt=base_negative,
        common_prompt=told.common or "",
        common_negative_prompt=avoided.common or "",
        parts=tuple(
            Part(prompt=text, negative_prompt=negative, base_ratio=share, area=area)
            for text, negative, share, area in zip(told.texts, negatives, shares, areas, strict=True)
        ),
        overlap=_MODES[mode],
        calculation=calculation,
    )


def _boxes(ratios: str, direction: Direction, flip: bool, told: Sections) -> Sequence[Area]:
    count = len(told.texts)
    if set(told.separators) - {"BREAK"}:
        next_group = "ADDROW" if direction == "columns" else "ADDCOL"
        counts = [1]
        for separator in told.separators:
            if separator == next_group:
                counts.append(1)
            else:
                counts[-1] += 1
        if not ratios.strip():
            return even(counts, direction)
        line = "cells" if len(counts) == 1 else "groups" if set(counts) == {1} else None
        return filled(read_ratios(ratios, direction, flip, line=line), counts, direction, ratios)
    boxes = split(ratios, direction, flip) if ratios.strip() else []
    if not boxes:
        return even([count], direction)
    if len(boxes) != count:
        raise ConfigError(
            f"The ratios {ratios!r} make {_counted(len(boxes), 'region')}, but the prompt has {_counted(count, 'text')} for them: "
            f"write one for each, with BREAK between, or other ratios."
        )
    return boxes


def _masks(mask: Mask | None, count: int, *, fill: bool) -> Sequence[Area]:
    if mask is None:
        raise ConfigError(
            "Mode 'mask' divides an image by a colour mask, but none was given: pass mask= or choose 'columns' or 'rows'."
        )
    masks = read_colours(mask, count=count) if isinstance(mask, Image) else [kept_mask(area) for area in mask]
    if len(masks) != count:
        raise ConfigError(
            f"The mask has {_counted(len(masks), 'region')}, but the prompt has {_counted(count, 'text')} for them: "
            f"write one for each, with BREAK between, or draw another mask."
        )
    if len({area.shape for area in masks}) > 1:
        shapes = ", ".join(map(str, dict.fromkeys(area.shape for area in masks)))
        raise ConfigError(f"The masks of a division have one size, but these have {shapes}: resize them.")
    if fill:
        uncovered = np.clip(1 - np.sum(masks, axis=0), 0, 1)
        masks = [np.minimum(masks[0] + uncovered, 1), *masks[1:]]
    for number, area in enumerate(masks):
        if not area.any():
            raise ConfigError(
                f"Each text of the prompt has a region in the mask, but region {number + 1} is nowhere: "
                f"draw it in {describe_colour(number)}, or take its text out."
            )
    return masks


def _word(text: str, threshold: float) -> Word:
    """The last word of a text, behind a comma outside brackets, as the tokenizer sees it."""
    depth, comma = 0, None
    for found in _COMMA_MARK.finditer(text):
        if found[0] == ",":
            comma = found if depth == 0 else comma
        elif not found[0].startswith("\\"):
            depth = depth + 1 if found[0] in "([" else max(0, depth - 1)
    if comma is not None:
        word = " ".join(words.strip() for words, _ in weights(text[comma.end() :]) if words != "BREAK").strip()
        if word:
            return Word(text=word, threshold=threshold)
    raise ConfigError(
        f"A region given by a word ends in a comma and that word, as in 'red, umbrella', but {text!r} does not: add them."
    )


def _negatives(avoided: Sections, count: int, *, has_base: bool) -> tuple[str, Sequence[str]]:
    """The base's and each part's."""
    texts = avoided.texts or ("",)
    if len(texts) == 1:
        return texts[0] if avoided.base is None else avoided.base, texts * count
    if len(texts) == count:
        return avoided.base or "", texts
    if has_base and avoided.base is None and len(texts) == count + 1:
        return texts[0], texts[1:]
    raise ConfigError(
        f"A negative prompt has one text for all regions or one for each, but there are {_counted(len(texts), 'text')} "
        f"for {_counted(count, 'region')}: write as many, with BREAK between, or one alone."
    )


def _each(name: str, given: str, count: int) -> list[float]:
    """One number in [0, 1] for each region, from a string with as many, or with one for all."""
    items = [item.strip() for item in re.split("[,;]", given)] if given.strip() else ["0"]
    wrong = next((item for item in items if not _NUMBER.fullmatch(item) or float(item) > 1), None)
    if wrong is not None:
        raise ConfigError(
            f"{name} has numbers in [0, 1] as in '0.2' or '0.1,0.3', but {given!r} was given, where {wrong!r} is none."
        )
    if len(items) not in (1, count):
        raise ConfigError(
            f"{name} has one number for all regions or one for each, but {given!r} has {len(items)} for {_counted(count, 'region')}."
        )
    return [float(item) for item in items] * (count if len(items) == 1 else 1)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
