"""The page stays small: it comes at once over a slow line too."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

MOST = 350_000


def test_all_that_the_page_loads_is_small(repository: Path) -> None:
    static = repository / "src/ildm/studio/static"
    files = [path for path in static.rglob("*") if path.suffix in (".js", ".css")]
    if not files:
        pytest.skip("The page is not built: run make studio, or npx vite build in web.")
    assert {path.suffix for path in files} == {".js", ".css"}
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in files}
    assert sum(sizes.values()) <= MOST, sizes
