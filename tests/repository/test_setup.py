"""`make` on a machine that lacks something: one sentence, exit code 2, and the next try takes up the work."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

MAKE = shutil.which("make") or "make"
LoadScript = Callable[[Path], ModuleType]
SETUP_FILES = ("Makefile", "pyproject.toml", "constraints.txt", "tools")


def copy_setup(repository: Path, folder: Path) -> Path:
    """What `make` needs for the set-up, in a folder of its own."""
    folder.mkdir(exist_ok=True)
    for name in SETUP_FILES:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Path:
    return copy_setup(repository, tmp_path / "checkout")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder that is all of PATH: a shell, and no Python yet."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return folder


def script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def make(folder: Path, *arguments: str, path: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make with nothing of this session's environment, as in a new terminal."""
    search = str(path) if path else os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
    clean = {"PATH": search, "HOME": str(folder), "LC_ALL": "C", "PIP_CONFIG_FILE": os.devnull, **environment}
    return subprocess.run([MAKE, "-C", str(folder), *arguments], capture_output=True, text=True, check=False, env=clean)


def sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that the failed command says of itself, beside what make adds."""
    assert result.returncode == 2, result.stdout + result.stderr
    own = [line for line in result.stderr.splitlines() if not line.startswith("make")]
    assert len(own) == 1, result.stderr
    return own[0]


def test_old_python(checkout: Path, programs: Path) -> None:
    lie = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])"
    script(programs / "python3", f"exec {sys.executable} -c '{lie}' \"$2\"")
    said = sentence(make(checkout, "demo", path=programs))
    assert "needs Python 3.11 or newer" in said
    assert "python3 is 3.9" in said
    assert "make PYTHON=" in said
    assert not (checkout / ".venv").exists()


def test_newer_python_beside_an_old_one_is_found(checkout: Path, programs: Path) -> None:
    script(programs / "python3", "echo 3.9; exit 1")
    script(programs / "python3.12", 'case "$1" in -c) echo 3.12;; *) echo "handed to 3.12: $*";; esac')
    result = make(checkout, "demo", path=programs)
    assert "handed to 3.12: tools/install.py runtime" in result.stdout


def test_no_python_at_all(checkout: Path, programs: Path) -> None:
    assert "there is none on PATH" in sentence(make(checkout, "demo", path=programs))


def test_named_python_that_is_none(checkout: Path) -> None:
    assert "PYTHON=no-such-python cannot be run" in sentence(make(checkout, "demo", "PYTHON=no-such-python"))


def test_no_ensurepip(checkout: Path, programs: Path, tmp_path: Path) -> None:
    stripped = tmp_path / "stripped"
    stripped.mkdir()
    absence = "raise ModuleNotFoundError(\"No module named 'ensurepip'\", name='ensurepip')"
    (stripped / "ensurepip.py").write_text(absence, encoding="utf-8")
    script(programs / "python3", f'PYTHONPATH={stripped} exec {sys.executable} "$@"')
    said = sentence(make(checkout, "demo", path=programs))
    assert "no ensurepip module" in said
    assert "-venv" in said
    assert not (checkout / ".venv").exists()


def test_no_network_and_a_half_made_venv(checkout: Path) -> None:
    left_over = checkout / ".venv" / "lib" / "left-over"
    left_over.mkdir(parents=True)
    with socket.socket() as closed:  # bound but not listening: every connection is refused
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"
        named = f"PYTHON={sys.executable}"
        said = sentence(make(checkout, "demo", named, PIP_INDEX_URL=address, PIP_RETRIES="1", PIP_NO_CACHE_DIR="1"))
    assert said.startswith("No network")
    assert "run the same command again" in said
    assert not left_over.exists(), "a half-made .venv is made anew"
    assert (checkout / ".venv/bin/pip").exists()
    assert not (checkout / ".venv/.unfinished").exists(), "pip unpacked nothing, so the next try keeps this .venv"
    assert not (checkout / ".venv/.ready-runtime").exists()


def test_no_room_is_seen_before_the_download(repository: Path, small_disk: Callable[[int], Path]) -> None:
    checkout = copy_setup(repository, small_disk(4))
    said = sentence(make(checkout, "demo", f"PYTHON={sys.executable}"))
    assert said.startswith("No room for the installation")
    assert "GB" in said
    assert not (checkout / ".venv").exists()


def test_room_that_runs_out(
    repository: Path,
    small_disk: Callable[[int], Path],
    load_script: LoadScript,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkout = copy_setup(repository, small_disk(4))
    installer = load_script(checkout / "tools/install.py")
    monkeypatch.chdir(checkout)
    monkeypatch.setattr(installer, "NEEDED_BYTES", 0)
    with pytest.raises(installer.SetupError, match="No room left on the disk while making"):
        installer.main("runtime")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "No room left on the disk"),
        (
            "WARNING: Retrying after connection broken by 'NameResolutionError'\nERROR: No matching distribution found",
            "No network",
        ),
        ("ERROR: No matching distribution found for torch==2.13.0", "fits constraints.txt"),
        ("a line\nerror: subprocess-exited-with-error\n", "subprocess-exited-with-error"),
        ("", "it gave no reason"),
    ],
)
def test_what_pip_says_is_told_in_one_sentence(repository: Path, load_script: LoadScript, said: str, told: str) -> None:
    sentence = load_script(repository / "tools/install.py").explain("installing torch", said)
    assert told in sentence
    assert "while installing torch" in sentence
    assert "\n" not in sentence


def test_a_killed_installation_is_made_anew(checkout: Path, load_script: LoadScript, monkeypatch: pytest.MonkeyPatch) -> None:
    installer = load_script(checkout / "tools/install.py")
    shutil.copytree(Path(sys.prefix) / "bin", checkout / ".venv/bin", symlinks=True)
    monkeypatch.setattr(installer.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0))
    assert installer.venv_is_whole()
    (checkout / ".venv/.unfinished").touch()
    assert not installer.venv_is_whole()


def test_set_up_runs_again_only_when_its_inputs_change(checkout: Path) -> None:
    stamp = checkout / ".venv/.ready-runtime"
    stamp.parent.mkdir()
    stamp.touch()
    assert "setup.sh" not in make(checkout, "--dry-run", "demo").stdout
    for name in ("pyproject.toml", "constraints.txt"):
        later = stamp.stat().st_mtime + 5
        os.utime(checkout / name, (later, later))
        assert "setup.sh runtime" in make(checkout, "--dry-run", "demo").stdout
        os.utime(checkout / name, (later - 10, later - 10))


def test_every_place_names_the_same_oldest_python(repository: Path) -> None:
    declared = re.search(r'requires-python = ">=3\.(\d+)"', (repository / "pyproject.toml").read_text(encoding="utf-8"))
    assert declared is not None
    for name in ("setup.sh", "install.py"):
        floors = re.findall(r"version_info < \(3, (\d+)\)", (repository / "tools" / name).read_text(encoding="utf-8"))
        assert floors
        assert set(floors) == {declared[1]}


def test_make_alone_lists_every_command(checkout: Path) -> None:
    listed = re.findall(r"make ([a-z-]+) ", make(checkout).stdout)
    assert listed[0] == "studio"
    assert set(listed) >= {"studio", "demo", "install", "test", "test-all", "lint", "format", "bench", "docs", "clean"}


GPU = "echo 'GPU 0: NVIDIA H100 (UUID: GPU-1)'"


@pytest.mark.parametrize(
    ("gpus", "torch", "told"),
    [
        (GPU, "echo 'none False'", "NVIDIA H100), but the torch that pip found has no CUDA"),
        (GPU, "echo '13.0 False'", "its driver is too old for CUDA 13.0"),
        (GPU, "echo '13.0 True'", ""),
        ("echo 'NVIDIA-SMI has failed because it could not communicate with the driver'; exit 9", "echo 'none False'", ""),
        ("echo 'No devices were found'", "echo 'none False'", ""),
        (None, "echo 'none False'", ""),
    ],
)
def test_a_gpu_that_torch_cannot_use_is_said(
    checkout: Path,
    programs: Path,
    load_script: LoadScript,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    gpus: str | None,
    torch: str,
    told: str,
) -> None:
    if gpus is not None:
        script(programs / "nvidia-smi", gpus)
    (checkout / ".venv/bin").mkdir(parents=True)
    script(checkout / ".venv/bin/python", torch)
    monkeypatch.setenv("PATH", str(programs))
    load_script(checkout / "tools/install.py").check_gpu()
    said = capsys.readouterr().out
    assert told in said and bool(told) is bool(said)
