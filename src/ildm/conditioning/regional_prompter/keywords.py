"""The words that divide a prompt: BREAK, ADDCOL and ADDROW between regions, ADDCOMM and ADDBASE behind what all of them share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from ildm.conditioning import prompt
from ildm.core.errors import ConfigError

Separator = Literal["BREAK", "ADDCOL", "ADDROW"]

_ADDED = re.compile(r"\bADD(?:COMM|BASE|COL|ROW)\b")
_SHARED = {"ADDCOMM": "common", "ADDBASE": "base"}


@dataclass(frozen=True, kw_only=True)
class Sections:
    """A prompt taken apart.

    Args:
        common: None = there is none, which is not the same as an empty one.
        base: None = there is none.
        texts: one for each region, in order; none when the shared sections took all there was.
        separators: what stands between the texts, one less than there are texts.
    """

    common: str | None
    base: str | None
    texts: tuple[str, ...]
    separators: tuple[Separator, ...]


def escape(text: str) -> str:
    """A prompt that means the text itself, as `ildm.conditioning.prompt.escape`, with these words made plain too."""
    return _ADDED.sub(r"\\\g<0>", prompt.escape(text))


def find(text: str, *keywords: str) -> list[str]:
    """Those of these words that act in a text, in order: whole words without a backslash in front."""
    return [found[0] for found in _marks(keywords).finditer(text) if not found[0].startswith("\\")]


def read_sections(text: str, *, use_common: bool, use_base: bool, keep_and: bool, cells: bool) -> Sections:
    """Take a prompt apart.

    What stands before ADDCOMM is common, what stands before ADDBASE is base. Without the keyword, `use_common` and `use_base` take
    the first text that is left, common before base.

    Args:
        keep_and: AND stays in the text, to compose prompts; otherwise it is a BREAK.
        cells: where there is ADDCOL or ADDROW, a BREAK does not separate regions but stays in the text of one.

    Raises:
        ConfigError: when ADDCOMM or ADDBASE is there twice, or behind a region.
    """
    texts, separators = _split(text, keep_and=keep_and)
    shared: dict[str, str | None] = {"common": None, "base": None}
    for keyword in [separator for separator in separators if separator in _SHARED]:
        name = _SHARED[keyword]
        end = separators.index(keyword)
        if shared[name] is not None:
            raise ConfigError(
                f"{keyword} stands once in a prompt, behind its {name} part, but it is there twice: take one out."
            )
        if {"ADDCOL", "ADDROW"} & set(separators[:end]):
            raise ConfigError(
                f"{keyword} stands before the regions, behind the {name} part, but an ADDCOL or ADDROW is in front of it: "
                f"move the {name} part to the beginning."
            )
        if keyword == "ADDBASE" and use_common and "ADDCOMM" not in separators and shared["common"] is None and end > 0:
            shared["common"] = texts[0]
            texts, separators, end = texts[1:], separators[1:], end - 1
        shared[name] = "BREAK".join(texts[: end + 1])
        texts, separators = texts[end + 1 :], separators[end + 1 :]
    for name, used in (("common", use_common), ("base", use_base)):
        if used and shared[name] is None and texts:
            shared[name] = texts[0]
            texts, separators = texts[1:], separators[1:]
    if cells and set(separators) - {"BREAK"}:
        texts, separators = _whole_cells(texts, separators)
    return Sections(
        common=_stripped(shared["common"]),
        base=_stripped(shared["base"]),
        texts=tuple(text.strip() for text in texts),
        separators=tuple(separators),  # pyright: ignore[reportArgumentType]
    )


@cache
def _marks(keywords: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\\.|\b(?:{'|'.join(keywords)})\b", re.DOTALL)


def _split(text: str, *, keep_and: bool) -> tuple[list[str], list[str]]:
    texts, separators, start = list[str](), list[str](), 0
    words = ("BREAK", "ADDCOL", "ADDROW", *_SHARED)
    for found in _marks(words if keep_and else (*words, "AND")).finditer(text):
        if not found[0].startswith("\\"):
            texts.append(text[start : found.start()])
            separators.append("BREAK" if found[0] == "AND" else found[0])
            start = found.end()
    return [*texts, text[start:]], separators


def _whole_cells(texts: list[str], separators: list[str]) -> tuple[list[str], list[str]]:
    """Texts with a BREAK between them made one."""
    cells = [[texts[0]]]
    for text, separator in zip(texts[1:], separators, strict=True):
        if separator == "BREAK":
            cells[-1].append(text)
        else:
            cells.append([text])
    return ["BREAK".join(cell) for cell in cells], [separator for separator in separators if separator != "BREAK"]


def _stripped(text: str | None) -> str | None:
    return None if text is None else text.strip()
