"""Who drew the sprites, under which licences, and what was done to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ildm.data.styles import find_style

_CHANGES = (
    "The drawings were rendered to bitmaps, scaled, in part mirrored, and composed into scenes on computed backgrounds; "
    "none of the artists endorses this work."
)
_LICENCE_PAGES = {
    "MIT": "https://opensource.org/license/mit",
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}


@dataclass(frozen=True, kw_only=True)
class Credit:
    """What has to be said of one sprite set."""

    title: str
    holder: str
    source: str


_CREDITS: dict[str, Credit] = {
    "flat": Credit(
        title="Fluent Emoji (flat)",
        holder="Copyright (c) Microsoft Corporation",
        source="https://github.com/microsoft/fluentui-emoji",
    ),
    "3d": Credit(
        title="Fluent Emoji (3D)",
        holder="Copyright (c) Microsoft Corporation; packaged by LobeHub",
        source="https://github.com/microsoft/fluentui-emoji",
    ),
    "noto": Credit(title="Noto Emoji", holder="Copyright (c) Google LLC", source="https://github.com/googlefonts/noto-emoji"),
    "blob": Credit(
        title="Noto Emoji, first version", holder="Copyright (c) Google LLC", source="https://github.com/googlefonts/noto-emoji"
    ),
    "twemoji": Credit(
        title="Twemoji",
        holder="Copyright (c) Twitter, Inc. and other contributors",
        source="https://github.com/jdecked/twemoji",
    ),
    "emojione": Credit(
        title="EmojiOne 2 / EmojiTwo",
        holder="Copyright (c) Ranks.com Inc. and EmojiTwo contributors",
        source="https://github.com/EmojiTwo/emojitwo",
    ),
    "openmoji": Credit(
        title="OpenMoji",
        holder="Copyright (c) the OpenMoji authors, HfG Schwäbisch Gmünd",
        source="https://github.com/hfg-gmuend/openmoji",
    ),
}
EMOJIBASE = "The labels and groups of the concepts come from emojibase-data 17.0.0, Copyright (c) Miles Johnson, MIT."


def attribution(styles: Sequence[str]) -> str:
    """The attribution that must travel with images, models or data made from these styles, in Markdown.

    Raises:
        ConfigError: for an unknown style.
    """
    lines = [_line(name) for name in styles]
    return "\n".join([*lines, f"- {EMOJIBASE}", "", _CHANGES, ""])


def _line(name: str) -> str:
    package, credit = find_style(name).package, _CREDITS[name]
    licence = f"[{package.licence}]({_LICENCE_PAGES[package.licence]})"
    return f"- **{credit.title}**: {credit.holder}. {licence}. {credit.source} (npm package {package.name} {package.version})."
