"""The studio's page is built into the package when there is something to build, and one sentence says why when it cannot be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

LoadScript = Callable[[Path], ModuleType]
Make = Callable[[str], None]


@pytest.fixture(scope="module")
def hooks(repository: Path, load_script: LoadScript) -> ModuleType:
    return load_script(repository / "tools/build_page.py")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with a page that was never built."""
    (tmp_path / "web/src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "src/main.ts"):
        (tmp_path / "web" / name).write_text("{}")
    return tmp_path


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """`programs(vite)` puts a Node and an npm onto PATH, and nothing else; what they are asked lands in `asked`."""
    folder = tmp_path / "programs"
    folder.mkdir()

    def make(node: str = "", npm: str = "mkdir -p node_modules; touch node_modules/.package-lock.json") -> None:
        node = (
            node
            or 'mkdir -p ../src/ildm/studio/static; echo built > ../src/ildm/studio/static/index.html; echo "vite $2" >> ../asked'
        )
        version = 'if [ "$1" = --version ]; then echo v22.12.0; exit; fi'
        for name, body in (("node", f"{version}\n{node}"), ("npm", f'echo "npm $*" >> ../asked\n{npm}')):
            (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))

    return make


def build(hooks: ModuleType, tree: Path) -> Path:
    """Run the hook. Returns the page's file."""
    hook = hooks.PageHook(str(tree), {}, None, None, str(tree), "wheel")
    hook.initialize("standard", {})
    return tree / hooks.STATIC / "index.html"


def asked(tree: Path) -> list[str]:
    return [line.split(" --")[0] for line in (tree / "asked").read_text().splitlines()]


def test_a_page_is_built_once(hooks: ModuleType, tree: Path, programs: Make) -> None:
    programs("")
    assert build(hooks, tree).read_text() == "built\n"
    build(hooks, tree)
    assert asked(tree) == ["npm ci", "vite build"]


@pytest.mark.parametrize("change", ["src/main.ts", "src/new.ts", "package.json", "removed"])
def test_it_is_built_anew_when_a_source_changes(hooks: ModuleType, tree: Path, programs: Make, change: str) -> None:
    programs("")
    (tree / "web/src/other.ts").write_text("")
    page = build(hooks, tree)
    os.utime(page, (page.stat().st_mtime - 60,) * 2)
    for path in (tree / "web").rglob("*"):
        os.utime(path, (page.stat().st_mtime - 60,) * 2)
    build(hooks, tree)
    assert asked(tree) == ["npm ci", "vite build"]
    if change == "removed":
        (tree / "web/src/other.ts").unlink()
    else:
        (tree / "web" / change).write_text("new")
    build(hooks, tree)
    assert asked(tree) == ["npm ci", "vite build", "vite build"]  # the packages are there


def test_packages_are_installed_anew_when_the_lock_changes(hooks: ModuleType, tree: Path, programs: Make) -> None:
    programs("")
    build(hooks, tree)
    later = (tree / "web/node_modules/.package-lock.json").stat().st_mtime + 5
    os.utime(tree / "web/package-lock.json", (later, later))
    build(hooks, tree)
    assert asked(tree) == ["npm ci", "vite build"] * 2


def test_nothing_is_built_where_there_are_no_sources(hooks: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(tree / "web")
    monkeypatch.setenv("PATH", "")
    assert not build(hooks, tree).exists()
    assert hooks.PageHook(str(tree), {}, None, None, str(tree), "wheel").dependencies() == []


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [
        ("v18.20.4", False),
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.9.0", False),
        ("v22.11.0", False),
        ("v24.1.0", True),
        ("", False),
    ],
)
def test_a_node_is_fetched_where_there_is_none_that_will_do(
    hooks: ModuleType, tree: Path, programs: Make, version: str, is_enough: bool
) -> None:
    programs("")
    node = tree / "programs/node"
    node.write_text(node.read_text().replace("v22.12.0", version))
    hook = hooks.PageHook(str(tree), {}, None, None, str(tree), "wheel")
    assert hook.dependencies() == ([] if is_enough else [hooks.NODE_PACKAGE])
    (tree / "programs/npm").unlink()  # as Debian's package has it
    assert hook.dependencies() == [hooks.NODE_PACKAGE]


@pytest.mark.parametrize(
    ("node", "npm", "told"),
    [
        ("echo 'error during build:'; echo 'Could not resolve x'; exit 1", "", "vite build has failed (Could not resolve x)."),
        ("exit 3", "", "it gave no reason"),
        ("exit 0", "", "left no src/ildm/studio/static/index.html"),
        ("", "echo 'npm error code ENOTFOUND'; exit 1", "npm reaches no package registry"),
        (
            "",
            "echo 'npm error code EUSAGE'; echo 'npm error'; echo 'npm error the lock file'; exit 1",
            "npm ci has failed (the lock",
        ),
        ("", "echo 'npm error ENOSPC'; exit 1", "no space left on the disk"),
    ],
)
def test_what_goes_wrong_is_one_sentence(
    hooks: ModuleType,
    load_script: LoadScript,
    repository: Path,
    tree: Path,
    programs: Callable[[str, str], None],
    node: str,
    npm: str,
    told: str,
) -> None:
    programs(node, npm)
    with pytest.raises(SystemExit) as ended:
        build(hooks, tree)
    said = str(ended.value)
    assert said.startswith("The studio's page cannot be built: ") and told in said and "\n" not in said
    # and that is what the installation says, too
    explain = load_script(repository / "tools/install.py").explain
    assert explain("installing ildm", f"error: metadata-generation-failed\n      {said}\n      [end of output]") == said


def test_the_page_is_checked_once_its_packages_are_there(hooks: ModuleType, tree: Path, programs: Callable[..., None]) -> None:
    programs(npm="mkdir -p node_modules; touch node_modules/.package-lock.json; [ $1 = ci ] || exit 3")
    assert [hooks.run("check", tree), hooks.run("check", tree)] == [3, 3]
    assert asked(tree) == ["npm ci", "npm run", "npm run"]
    shutil.rmtree(tree / "web")
    assert hooks.run("check", tree) == 0


@pytest.mark.slow
def test_a_machine_without_node_builds_a_wheel_with_the_page_in_it(repository: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=repository, capture_output=True, check=True
    ).stdout.decode()
    tree = tmp_path / "tree"
    for name in filter(None, listed.split("\0")):
        if (repository / name).is_file() and not name.startswith(("tests/", "src/ildm/shipped/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, tree / name)
    environment = {name: value for name, value in os.environ.items() if name != "PATH"} | {"PATH": str(tmp_path)}
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--wheel-dir", str(tmp_path / "wheels")]
    subprocess.run([*command, "--build-constraint", "constraints.txt"], cwd=tree, env=environment, check=True)
    (wheel,) = (tmp_path / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
        assert b'<div id="root">' in packed.read("ildm/studio/static/index.html")
    assert any(name.startswith("ildm/studio/static/assets/index-") for name in names)
    assert not any("web/" in name or "node_modules" in name for name in names)
