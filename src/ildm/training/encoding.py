"""The data encoded between the two stages, for as long as nothing stops it."""

from __future__ import annotations

from pathlib import Path

from ildm.core.progress import steps_bar
from ildm.data.encoding import CAPTIONS, Encode, Told, encode_dataset
from ildm.data.sample import ImageDataset
from ildm.training.stopping import Stop


def encode_until_stopped(
    dataset: ImageDataset,
    encode: Encode,
    encoder_fingerprint: str,
    folder: Path,
    stop: Stop,
    *,
    title: str = "encoding",
    limit: int | None = None,
    workers: int = 0,
    told: Told = CAPTIONS,
) -> bool:
    """Encode what is not encoded yet, see `ildm.data.encoding.encode_dataset`; the next call goes on where this one was stopped.

    Args:
        stop: asked between batches.
        title: of the progress bar.

    Returns:
        Whether all is encoded.
    """

    def progress(done: int, total: int) -> None:
        bar(done, total)
        if stop.reason is not None and done < total:
            raise _StoppedError

    try:
        with steps_bar(title) as bar:
            encode_dataset(
                dataset, encode, encoder_fingerprint, folder, limit=limit, workers=workers, told=told, progress=progress
            )
    except _StoppedError:
        return False
    return True


class _StoppedError(Exception):
    """Leaves the encoder between two batches."""
