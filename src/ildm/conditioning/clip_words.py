"""Words with vectors of their own (textual inversion, Gal 2022): lent to a conditioner and taken back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from ildm.conditioning.clip_encoder import ClipEncoder
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.core.errors import ConfigError, nearest

Vectors = Float[Tensor, "_vectors _width"]


class AddedWords:
    """The added words of one conditioner. Neither its weights nor its files change.

    Args:
        readers: each tokenizer of the conditioner with the encoder that reads its numbers.
    """

    def __init__(self, *readers: tuple[ClipTokenizer, ClipEncoder]) -> None:
        self._readers = readers
        self._words: dict[str, tuple[Vectors, ...]] = {}

    @property
    def names(self) -> list[str]:
        """The added words, in the order they came."""
        return list(self._words)

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of the vectors that each encoder wants."""
        return tuple(encoder.config.width for _, encoder in self._readers)

    def add(self, name: str, vectors: Sequence[Vectors]) -> None:
        """Let `name` in a prompt, in capitals or not, stand for these vectors.

        Args:
            vectors: (number of vectors, width) for each encoder, the same number for all.

        Raises:
            ConfigError: when the name is empty or taken, or the vectors do not fit the encoders.
        """
        if not name or name != name.strip():
            raise ConfigError(f"The name of an embedding is a word without spaces around it, but {name!r} was given.")
        if name.lower() in map(str.lower, self._words):
            raise ConfigError(f"This model already has an embedding {name!r}: remove it first, or give this one another name.")
        widths = tuple(each.shape[1] for each in vectors)
        if widths != self.widths:
            raise ConfigError(
                f"The embedding {name!r} has vectors of width {_listed(widths)}, but this model's text side takes "
                f"{_listed(self.widths)}: it was trained for another kind of model."
            )
        self._check_counts(name, [len(each) for each in vectors])
        self._words[name] = tuple(each.detach().clone() for each in vectors)
        self._lend()

    def remove(self, name: str) -> None:
        """Forget an added word.

        Raises:
            ConfigError: when there is none of that name (nearest match named).
        """
        if name not in self._words:
            raise ConfigError(f"This model has no embedding {name!r}: {nearest(name, self._words)}")
        del self._words[name]
        self._lend()

    def _check_counts(self, name: str, counts: list[int]) -> None:
        most = min(tokenizer.max_tokens for tokenizer, _ in self._readers) - 2
        if len(set(counts)) != 1 or not 1 <= counts[0] <= most:
            raise ConfigError(
                f"The embedding {name!r} has {_listed(counts)} vectors, but 1 to {most} fit into a window, "
                "as many for each text encoder."
            )

    def _lend(self) -> None:
        counts = {name: len(vectors[0]) for name, vectors in self._words.items()}
        for place, (tokenizer, encoder) in enumerate(self._readers):
            tokenizer.set_words(counts, first=encoder.config.vocabulary_size)
            table = [vectors[place] for vectors in self._words.values()]
            encoder.set_words(torch.cat(table) if table else None)


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers))
