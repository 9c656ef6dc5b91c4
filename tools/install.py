"""Installs ildm into .venv beside the Makefile, at the versions of constraints.txt.

Run by setup.sh as `install.py STAGE`; each stage builds on the one before: runtime (to draw, with the studio's page), page (that alone,
anew), training (to train and evaluate as well), development (tests and tools).
Standard library only: it runs before anything is installed. What can go wrong is told in one sentence, with exit code 2.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOG = VENV / "install.log"
# present while pip works; one that is still there at the start means that a package may be half unpacked
UNFINISHED = VENV / ".unfinished"
# a CPU build of torch with everything else, unpacked, and one download of it beside that
NEEDED_BYTES = 2_500_000_000

CONSTRAINTS = ("--constraint", "constraints.txt", "--build-constraint", "constraints.txt")
COMPARED_WITH = ["k-diffusion", "openai-clip", "peft", "psutil", "torch-fidelity"]
UNPACKING = "Installing collected packages"
UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|NameResolutionError|name resolution|ProxyError|SSLError"
    r"|Failed to connect|Network is unreachable|Connection (refused|aborted|reset|broken)|Max retries exceeded",
)
# what build_page.py says of its own failure, somewhere in what pip says of it
PAGE_FAILURE = re.compile(r"The studio's page cannot be built: .*")
NO_ROOM = re.compile(r"No space left on device|Errno 28|Disk quota exceeded|Errno 122")


class SetupError(Exception):
    """What stopped the installation, as one sentence for a person."""


def main(stage: str) -> None:
    """Install one stage and leave its stamp.

    Raises:
        SetupError: with one sentence that says what is missing and what to do.
    """
    os.chdir(ROOT)
    try:
        make_venv()
        for what, arguments in steps(stage):
            pip_install(what, arguments)
            if what == "torch":
                check_gpu()
        (VENV / f".ready-{stage}").touch()
    except OSError as error:
        raise SetupError(explain("setting up .venv", str(error))) from error


def steps(stage: str) -> list[tuple[str, list[str]]]:
    """What is installed, in order: a name for the person who waits, and pip's arguments.

    torch goes first and alone: with it in place nothing later makes pip look for another build of it, and
    TORCH_OPTIONS reaches no other package.
    """
    stages = {
        "runtime": [
            ("pip", ["--upgrade", "pip", "--constraint", "constraints.txt"]),
            ("torch", ["torch", *CONSTRAINTS, *shlex.split(os.environ.get("TORCH_OPTIONS", ""))]),
            ("ildm", ["--editable", ".", *CONSTRAINTS]),
        ],
        # pip builds it with ildm, so this is for one whose sources have changed since
        "page": [("the studio's page", ["--editable", ".", "--no-deps", *CONSTRAINTS])],
        "training": [("what training and evaluation need", ["--editable", ".[train,eval]", *CONSTRAINTS])],
        "development": [
            ("the test and development tools", ["--group", "dev", *CONSTRAINTS]),
            # alone, because they would bring dozens of packages for parts of them that the tests do not compare with; of openai-clip
            # the tests read one file, CLIP's vocabulary; torch-fidelity wants torchvision, and the tests its network alone
            ("what the tests compare with", ["--no-deps", *COMPARED_WITH, *CONSTRAINTS]),
        ],
    }
    return stages[stage]


def make_venv() -> None:
    """Make .venv, or keep the one that is there when it is whole."""
    if venv_is_whole():
        return
    check_venv_module()
    check_room()
    announce("Making .venv")
    # in two commands, because venv swallows what ensurepip says of its failure
    for command in (
        [sys.executable, "-m", "venv", "--clear", "--without-pip", str(VENV)],
        [str(venv_python()), "-m", "ensurepip", "--default-pip"],
    ):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise SetupError(explain("making .venv", made.stdout + made.stderr))


def venv_is_whole() -> bool:
    """Whether .venv has a working pip on a Python that ildm accepts, and no installation was cut off in it."""
    if UNFINISHED.exists() or not venv_python().exists():
        return False
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([str(venv_python()), "-c", probe], capture_output=True, check=False).returncode == 0


def venv_python() -> Path:
    """The interpreter inside .venv."""
    return VENV / "bin" / "python"


def check_venv_module() -> None:
    """Debian and its children ship Python without `ensurepip`, and `venv` alone then makes a folder without pip."""
    try:
        for module in ("venv", "ensurepip"):
            importlib.import_module(module)
    except ImportError as error:
        raise SetupError(
            f"{sys.executable} (Python {version()}) has no {error.name} module, so it cannot make .venv: install it "
            f"(on Debian and Ubuntu: apt install python{version()}-venv), then run the same command again."
        ) from None


def check_room() -> None:
    """Refuse before the download rather than after it."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupError(
            f"No room for the installation: {ROOT} has {free / 1e9:.1f} GB free and at least {NEEDED_BYTES / 1e9:.1f} GB "
            "are needed; free some space, then run the same command again."
        )


def pip_install(what: str, arguments: list[str]) -> None:
    """Run pip inside .venv, keep all it says in the log and show what it downloads.

    Raises:
        SetupError: when pip fails.
    """
    announce(f"Installing {what}")
    command = [str(venv_python()), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *arguments]
    said: list[str] = []
    UNFINISHED.touch()
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as pip,
    ):
        assert pip.stdout is not None
        for line in pip.stdout:
            said.append(line)
            log.write(line)
            show_progress(line.strip())
    # a failure before pip began to unpack leaves .venv as it was, so what is in it need not be installed again
    if pip.returncode == 0 or not any(line.startswith(UNPACKING) for line in said):
        UNFINISHED.unlink()
    if pip.returncode != 0:
        raise SetupError(explain(f"installing {what}", "".join(said)))


def check_gpu() -> None:
    """Say so where this machine has an NVIDIA GPU and the torch that pip found cannot use it."""
    listed = shutil.which("nvidia-smi") and run_for_text(["nvidia-smi", "--list-gpus"])
    if not listed or "GPU 0" not in listed:
        return
    can = "import torch; print(torch.version.cuda or 'none', torch.cuda.is_available())"
    cuda, _, is_available = run_for_text([str(venv_python()), "-W", "ignore", "-c", can]).strip().partition(" ")
    name = listed.splitlines()[0].partition(": ")[2].partition(" (")[0]
    if cuda == "none":
        announce(
            f"  This machine has an NVIDIA GPU ({name}), but the torch that pip found has no CUDA, so the CPU will be used: make clean, "
            "then the same command with TORCH_OPTIONS as docs/install.md has it"
        )
    elif is_available != "True":
        announce(
            f"  This machine has an NVIDIA GPU ({name}), but its driver is too old for CUDA {cuda}, so the CPU will be used: "
            "bring the driver up to date"
        )


def run_for_text(command: list[str]) -> str:
    """What a program prints; nothing where it fails."""
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""


def show_progress(line: str) -> None:
    """Show the lines of pip that tell a waiting person something."""
    if line.startswith(("Downloading", UNPACKING)):
        announce(f"  {line[:120]}")
    elif "Retrying" in line:
        announce("  The package index does not answer; trying again")


def explain(doing: str, said: str) -> str:
    """One sentence on why `doing` failed, from what pip, venv or the system said."""
    page = PAGE_FAILURE.search(said)
    if page is not None:
        return page[0]
    if NO_ROOM.search(said):
        return f"No room left on the disk while {doing}: free some space, then run the same command again."
    if UNREACHABLE.search(said):
        return (
            f"No network: no package index could be reached while {doing}; connect, or point pip to packages you have "
            "(PIP_FIND_LINKS=/folder/of/wheels), then run the same command again."
        )
    if "No matching distribution found" in said or "ResolutionImpossible" in said:
        return (
            f"pip found no package that fits constraints.txt while {doing} for Python {version()} on {sys.platform} "
            f"({last_error(said)}): try another Python with make clean, then make PYTHON=python3.12."
        )
    rest = f" ({LOG.relative_to(ROOT)} has the rest)" if LOG.exists() else ""
    return f"Something failed while {doing}: {last_error(said)}{rest}."


def last_error(said: str) -> str:
    """The last line that reports an error, else the last line at all."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return (errors or lines or ["it gave no reason"])[-1].rstrip(".")


def version() -> str:
    """The running Python, as in 3.11."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def announce(line: str) -> None:
    """Tell the waiting person, at once even through a pipe."""
    print(line, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except SetupError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.", file=sys.stderr)
        sys.exit(130)
