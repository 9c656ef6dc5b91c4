"""The exact state of a training run on disk, written in one step, with a former one kept."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ildm.core.errors import CheckpointError
from ildm.core.files import atomic_file

LATEST, FORMER = "state.pt", "state.former.pt"


@dataclass
class RunState:
    """Where a run stands.

    Args:
        step: how many are done.
        position: how many samples were drawn from the data; past a roll-back it is ahead of `step * batch_size`.
        rollbacks: how often a collapse was undone.
        seconds: spent training so far, over all sittings.
        task: what `Task.state` returned.
        failed_from: the step that it was rolled back to last; None = it never was.
    """

    step: int
    position: int
    rollbacks: int
    seconds: float
    task: dict[str, Any]
    failed_from: int | None = None


def save_state(folder: Path, state: RunState, *, replaces: bool = False) -> None:
    """Write the state; the one before it stays beside it.

    Args:
        replaces: the latest one, of the same step, and not the one before that.

    Raises:
        StorageError: when the disk is full; the state that was the latest can still be read, though it may be called the former.
    """
    latest, former = folder / LATEST, folder / FORMER
    # through memory, because torch's own writer does not say when a disk is full
    buffer = io.BytesIO()
    torch.save(vars(state) | {"generator": torch.get_rng_state()}, buffer)
    with atomic_file(latest) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        if latest.exists() and not replaces:
            latest.replace(former)


def load_state(folder: Path) -> RunState | None:
    """The latest state, or the former one when the latest is damaged; None when the run is new.

    Raises:
        CheckpointError: when there are states and none can be read.
    """
    found = [folder / name for name in (LATEST, FORMER) if (folder / name).is_file()]
    state = next((state for state in map(_read, found) if state is not None), None)
    if found and state is None:
        raise CheckpointError(f"No training state in {folder} can be read: remove the folder to begin again.")
    return state


def forget_latest(folder: Path, step: int | None) -> None:
    """Where the latest state is of that step, let the one before it take its place, if there is one that can be read."""
    latest, former = load_state(folder), folder / FORMER
    if latest is not None and latest.step == step and former.is_file() and _read(former) is not None:
        former.replace(folder / LATEST)


def _read(path: Path) -> RunState | None:
    try:
        fields = torch.load(path, map_location="cpu", weights_only=True)
        torch.set_rng_state(fields.pop("generator"))
        return RunState(**fields)
    except (RuntimeError, OSError, EOFError, KeyError, TypeError, pickle.UnpicklingError, zipfile.BadZipFile):
        return None
