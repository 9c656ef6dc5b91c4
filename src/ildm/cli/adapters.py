"""`--lora FILE=STRENGTH`: adapters given on the command line, merged into a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ildm.core.errors import ConfigError

if TYPE_CHECKING:
    from ildm.model import Model


def put_in(model: Model, given: Sequence[str], worn: Collection[str]) -> None:
    """Put the adapters of files into a model: at hand those whose file has the name that a region wears one by, merged all others.

    Raises:
        CheckpointError: when a file holds no adapter for this model.
        ConfigError: when a strength is no number, or given for one that a region wears at its own.
    """
    from ildm.checkpoint.lora import read_lora

    chosen = [_split(text) for text in given]
    at_hand = [(path, strength) for path, strength in chosen if path.stem in worn]
    for path, strength in at_hand:
        if strength != 1.0:
            raise ConfigError(
                f"A region says how strongly it wears {path.stem!r}, but --lora gives a strength of {strength:g}, too: "
                f"give --lora {path} alone."
            )
    merged = [(path, strength) for path, strength in chosen if path.stem not in worn]
    if merged:
        model.adapters.merge({read_lora(path, model): strength for path, strength in merged})
    for path, _ in at_hand:
        model.adapters.add(read_lora(path, model))


def _split(text: str) -> tuple[Path, float]:
    path, equals, strength = text.rpartition("=")
    if not equals or Path(text).is_file():
        return Path(text), 1.0
    try:
        return Path(path), float(strength)
    except ValueError as error:
        raise ConfigError(
            f"--lora takes FILE or FILE=STRENGTH, as in style.safetensors=0.8, but {text!r} was given."
        ) from error
