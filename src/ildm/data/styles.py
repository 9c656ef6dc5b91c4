"""The drawing styles of EmojiScenes: one per sprite set, each with the words that name it in a caption."""

from __future__ import annotations

from dataclasses import dataclass

from ildm.core.errors import ConfigError, nearest
from ildm.data import packages
from ildm.data.packages import Package


@dataclass(frozen=True, kw_only=True)
class Style:
    """One sprite set.

    Args:
        name: short, used in configurations and as the first word of a caption.
        words: all that name it in captions, `name` first.
        trained: False where the set is held out and only ever measured.
    """

    name: str
    words: tuple[str, ...]
    package: Package
    artist: str
    trained: bool = True


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        Style(name="flat", words=("flat", "fluent flat"), package=packages.FLUENT_FLAT, artist="Microsoft (Fluent Emoji)"),
        Style(name="3d", words=("3d", "glossy 3d", "fluent 3d"), package=packages.FLUENT_3D, artist="Microsoft (Fluent Emoji)"),
        Style(name="noto", words=("noto", "shaded"), package=packages.NOTO, artist="Google (Noto Emoji)"),
        Style(name="blob", words=("blob", "noto v1"), package=packages.NOTO_V1, artist="Google (Noto Emoji, first version)"),
        Style(
            name="twemoji", words=("twemoji", "cartoon"), package=packages.TWEMOJI, artist="Twitter and contributors (Twemoji)"
        ),
        Style(
            name="emojione", words=("emojione", "bold"), package=packages.EMOJIONE, artist="EmojiOne and EmojiTwo contributors"
        ),
        Style(name="openmoji", words=("openmoji", "outlined"), package=packages.OPENMOJI, artist="OpenMoji", trained=False),
    )
}
TRAINED_STYLES = tuple(style.name for style in STYLES.values() if style.trained)
UNSEEN_STYLES = tuple(style.name for style in STYLES.values() if not style.trained)


def find_style(name: str) -> Style:
    """The style called `name`.

    Raises:
        ConfigError: for any other name (nearest match named).
    """
    if name not in STYLES:
        raise ConfigError(f"Unknown style {name!r}: {nearest(name, STYLES)}")
    return STYLES[name]
