"""The layers of the code: `make lint` would notice an import that goes up."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(repository / "src/ildm", tmp_path / "src/ildm", ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": ""}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_imports_go_down_only(copy: Path) -> None:
    result = lint_imports(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("low", "high"),
    [("core/errors.py", "ildm.sampler"), ("sampler/__init__.py", "ildm.denoiser"), ("training/__init__.py", "ildm.cli")],
)
def test_an_import_that_goes_up_is_caught(copy: Path, low: str, high: str) -> None:
    with (copy / "src/ildm" / low).open("a", encoding="utf-8") as module:
        module.write(f"\nimport {high}\n")
    result = lint_imports(copy)
    assert result.returncode != 0
    assert f"ildm.{low.removesuffix('.py').removesuffix('/__init__').replace('/', '.')} -> {high}" in result.stdout


def test_a_package_without_a_layer_is_caught(copy: Path) -> None:
    (copy / "src/ildm/stray").mkdir()
    (copy / "src/ildm/stray/__init__.py").touch()
    result = lint_imports(copy)
    assert result.returncode != 0
    assert "stray" in result.stdout
