"""The page that people see. It is built from `web/` into a folder of this package, and served from there as it is."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
"""Where the build puts it; not there in a source tree that was never installed."""
TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""The files that a page may have, and what they are served as: what the system thinks of their names is not asked."""
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,200}")
_NONCE = "{{nonce}}"


class Page:
    """A built page.

    Args:
        folder: with an `index.html`, and `assets` whose names change with what is in them.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder

    def html(self, nonce: str) -> str | None:
        """The page itself, for one visit; None where it was not built. Blocks.

        Args:
            nonce: lets this visit's own styles through the policy that goes with the answer.
        """
        try:
            return (self._folder / "index.html").read_text("utf-8").replace(_NONCE, nonce)
        except FileNotFoundError:
            return None

    def file(self, *parts: str) -> tuple[Path, str] | None:
        """A file of the page, and what it is served as; None when it has none of that name. Blocks."""
        kind = TYPES.get(Path(parts[-1]).suffix)
        if kind is None or not all(_NAME.fullmatch(part) for part in parts):
            return None
        path = self._folder.joinpath(*parts).resolve()
        if not path.is_relative_to(self._folder.resolve()) or not path.is_file():
            return None
        return path, kind
