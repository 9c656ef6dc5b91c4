"""Textual-inversion files (Gal 2022): a few learnt vectors, lent to a model's text side as a word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ildm.checkpoint.tensors import check_numbers, load_tensors
from ildm.conditioning.clip import ClipConditioner
from ildm.conditioning.clip_pair import ClipPairConditioner
from ildm.core.errors import CheckpointError

# by the names that XL's files give the vectors of its two encoders
_XL_KEYS = ("clip_l", "clip_g")
# by AUTOMATIC1111's name, which says nothing of the word
_UNNAMED = "emb_params"


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """What a textual-inversion file holds.

    Args:
        name: the word that stands for the vectors in a prompt.
        vectors: (number of vectors, width), one tensor for each text encoder it was trained for.
    """

    name: str
    vectors: tuple[Tensor, ...]


def read_embedding(path: Path) -> Embedding:
    """The embedding in a safetensors file; its name is the token the file names, else the file's own name.

    Raises:
        CheckpointError: when the file is missing, pickled or damaged, or holds something else than an embedding.
    """
    tensors = load_tensors(path)
    found = {name: _as_rows(tensor, name, path) for name, tensor in tensors.items()}
    if set(found) == set(_XL_KEYS):
        return Embedding(name=path.stem, vectors=tuple(found[key] for key in _XL_KEYS))
    if len(found) != 1:
        raise CheckpointError(
            f"{path} holds {', '.join(sorted(found)[:3]) or 'nothing'}, but an embedding is one tensor, or "
            f"{' and '.join(_XL_KEYS)}: it is a file of another kind."
        )
    ((key, vectors),) = found.items()
    return Embedding(name=path.stem if key in (_UNNAMED, *_XL_KEYS) else key, vectors=(vectors,))


def add_embedding(conditioner: ClipConditioner | ClipPairConditioner, path: Path, *, name: str | None = None) -> str:
    """Let a word stand for the vectors of a textual-inversion file. `conditioner.words.remove(word)` takes it back.

    Args:
        name: the word; None = the one that the file gives.

    Returns:
        The word.

    Raises:
        CheckpointError: when the file holds no embedding.
        ConfigError: when the word is taken, or the vectors were trained for another kind of model.
    """
    embedding = read_embedding(path)
    word = embedding.name if name is None else name
    # XL's refiner has only the second of the two encoders that XL's embeddings are for
    vectors = embedding.vectors[-len(conditioner.words.widths) :]
    conditioner.words.add(word, vectors)
    return word


def _as_rows(tensor: Tensor, name: str, path: Path) -> Tensor:
    if not tensor.is_floating_point() or tensor.ndim not in (1, 2) or tensor.numel() == 0:
        raise CheckpointError(
            f"{path} holds {name!r} of shape {tuple(tensor.shape)} in {str(tensor.dtype).removeprefix('torch.')}, but an embedding "
            "is a row of floating-point numbers for each vector: it is a file of another kind."
        )
    check_numbers(tensor, name, str(path))
    return tensor.reshape(-1, tensor.shape[-1])
