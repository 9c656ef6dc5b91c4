"""`ildm.load`: a shipped name, a run or a folder to a `Model`."""

from __future__ import annotations

from pathlib import Path

from ildm.checkpoint.format import CheckpointFormat
from ildm.checkpoint.named import find_named, known_names
from ildm.checkpoint.native import MANIFEST
from ildm.checkpoint.tensors import load_tensors
from ildm.core import extensions
from ildm.core.errors import CheckpointError, nearest
from ildm.model import Model


def load(source: str | Path, *, device: str | None = None, dtype: str | None = None) -> Model:
    """Load a model.

    Args:
        source: a shipped name ("emoji-scenes"), the name of a run, a model folder, or what an installed checkpoint format reads.
        device: "cpu", "cuda", ...; None = a GPU when there is one.
        dtype: "float32", "bfloat16" or "float16"; None = the measured default of the device.

    Raises:
        CheckpointError: when there is no such model, or it is damaged or of a kind that is not known.
        ConfigError: for an unknown device or dtype.
    """
    return _read(locate(source)).to(device, dtype)


def locate(source: str | Path) -> Path:
    """The path behind a name or a path.

    Raises:
        CheckpointError: when there is nothing; the nearest known name is named.
    """
    named = find_named(str(source))
    if named is not None:
        return named
    path = Path(source).expanduser()
    if path.exists():
        return path
    raise CheckpointError(
        f"There is no model {str(source)!r}: {nearest(str(source), known_names())} A model folder also serves."
    )


def _read(path: Path) -> Model:
    formats: dict[str, CheckpointFormat] = extensions.load_all("ildm.checkpoints")
    for checkpoint_format in formats.values():
        if checkpoint_format.recognises(path):
            return checkpoint_format.load(path)
    if path.is_file():
        load_tensors(path)  # says what is wrong with the file itself, if anything is
    raise CheckpointError(f"{path} is not a model that this program knows: a folder with {MANIFEST} is expected.")
