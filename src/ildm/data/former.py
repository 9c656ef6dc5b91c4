"""What earlier imports left under a name: a data set that may be used again, or the pieces of one that was killed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ildm.core.files import atomic_folder, check_writable
from ildm.core.locks import lock
from ildm.data.folder import is_whole

REFUSED = "refused.txt"


def former_origin(target: Path) -> str | None:
    """What the data set was imported from, as `dataset.json` keeps it; None where there is no data set."""
    try:
        return json.loads((target / "dataset.json").read_text(encoding="utf-8"))["origin"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "unreadable"


def read_former(target: Path) -> tuple[int, list[tuple[str, str]]] | None:
    """How many images a data set holds and what was refused for it; None when anything of it is missing or damaged."""
    if not is_whole(target):
        return None
    try:
        count = json.loads((target / "dataset.json").read_text(encoding="utf-8"))["count"]
        lines = (target / REFUSED).read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError, KeyError):
        return None
    # earlier imports had a colon, which may be part of a name
    parts = (line.partition("\t" if "\t" in line else ": ") for line in lines if line)
    return count, [(file, reason) for file, _, reason in parts]


def write_refused(folder: Path, refused: list[tuple[str, str]]) -> None:
    """Write what was refused for a data set, for a person and for `read_former`.

    Args:
        refused: (file, reason); the files as `shown`, without tabs.
    """
    lines = [f"{file}\t{reason}\n" for file, reason in refused]
    (folder / REFUSED).write_text("".join(lines), encoding="utf-8")


def clear_leftovers(target: Path) -> None:
    """Remove what imports of this name left that were killed, and put images back that one of them had just moved away.

    Those of an import that is running stay: it holds a lock, which the system lifts when it dies.
    """
    # a place that may not be read or written is told of when something is put there
    with suppress(OSError), _locked(target.parent):
        for part in _leftovers(target, "part"):
            if _is_free(part):
                shutil.rmtree(part, ignore_errors=True)
        for former in _leftovers(target, "former"):
            if former.with_suffix(".part").exists():
                continue
            if target.exists():
                shutil.rmtree(former, ignore_errors=True)
            else:
                former.rename(target)


@contextmanager
def fresh_folder(target: Path) -> Generator[Path, None, None]:
    """`atomic_folder`, with a lock by which `clear_leftovers` sees that it is being filled."""
    check_writable(target.parent, folder=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held, ExitStack() as stack:
        # until the lock is on the new folder nobody looks at what lies beside it
        with _locked(target.parent):
            folder = stack.enter_context(atomic_folder(target))
            held.enter_context(_locked(folder))
        yield folder


def _leftovers(target: Path, kind: str) -> Iterator[Path]:
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{8}}\.{kind}")
    return (path for path in sorted(target.parent.iterdir()) if name.fullmatch(path.name) and path.is_dir())


@contextmanager
def _locked(folder: Path) -> Generator[None, None, None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lock(descriptor, wait=True)  # some network disks have no locks: nothing is free there, and leftovers stay
        yield
    finally:
        os.close(descriptor)


def _is_free(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return lock(descriptor) is True
    finally:
        os.close(descriptor)
