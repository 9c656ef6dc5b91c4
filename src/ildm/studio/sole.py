"""One studio at a time for a file of sessions: two would both go on with those that were running, each over what the other writes."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ildm.core.errors import ConfigError, StorageError
from ildm.core.files import storage_sentence
from ildm.core.locks import lock

PATIENCE = 10.0
"""Seconds that are given to the engine of a studio that was killed: it still keeps the step that it had in hand."""


@contextmanager
def sole_studio(store: Path, *, patience: float = PATIENCE) -> Generator[int, None, None]:
    """Be the only studio of a file of sessions, as long as the block lasts or a process lives that was given the descriptor.

    Raises:
        ConfigError: when another one is, and stays.
        StorageError: when the lock beside the file cannot be written.
    """
    path = store.with_name(f"{store.name}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(storage_sentence(path, error.errno)) from error
    try:
        if lock(descriptor, patience=patience) is False:
            raise ConfigError(f"Another studio serves the sessions in {store}: end it, or give another file with --store.")
        yield descriptor
    finally:
        os.close(descriptor)
