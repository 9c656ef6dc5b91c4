"""What is in the repository: small enough to clone, safe to load, and nothing that only one machine has."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

MAX_TREE_BYTES = 48 * 2**20
PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle"}
PICKLE_START = re.compile(rb"\x80[\x02-\x05]")
FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~])/(root|work|home/\w+|Users/\w+)/"),
    "a package registry": re.compile(r'(extra-)?index[-]url|/[s]imple/|registry[.]npm|registry *= *\S*:|"resolved": "https?:'),
}


@pytest.fixture(scope="module")
def tracked(repository: Path) -> list[Path]:
    """Every file that is in the repository or would be after `git add`."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := repository / name).is_file()]


def text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_names(what: str, tracked: list[Path], repository: Path) -> None:
    found = [
        f"{path.relative_to(repository)}:{number}: {line.strip()[:120]}"
        for path in tracked
        if path != Path(__file__)
        for number, line in enumerate(text(path).splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert not found, f"These lines name {what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a path of one machine", 'open("/home/someone/x.png")'),
        ("a package registry", "pip install --index" + "-url https://example.org torch"),
    ],
)
def test_what_is_forbidden_would_be_found(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)


def test_the_tree_is_small(tracked: list[Path], repository: Path) -> None:
    sizes = {path: path.stat().st_size for path in tracked}
    largest = sorted(sizes, key=lambda path: -sizes[path])[:5]
    names = ", ".join(f"{path.relative_to(repository)} {sizes[path] / 2**20:.1f} MiB" for path in largest)
    assert sum(sizes.values()) <= MAX_TREE_BYTES, f"The largest: {names}"


def test_no_file_runs_code_when_it_is_read(tracked: list[Path], repository: Path) -> None:
    pickles = [
        str(path.relative_to(repository))
        for path in tracked
        if path.suffix in PICKLE_SUFFIXES or PICKLE_START.match(path.read_bytes()[:2])
    ]
    assert not pickles
