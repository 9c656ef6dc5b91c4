"""Text to CLIP's token numbers, cut into windows that its text encoder can read (Radford 2021; CLIP's released tokenizer)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float, Int
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as _Tokenizer
from torch import Tensor

from ildm.conditioning.clip_vocabulary import (
    END,
    START,
    WORD_END,
    ClipVocabulary,
    read_tokenizer_json,
    read_vocabulary,
    write_vocabulary,
)
from ildm.conditioning.prompt import WeightedText, literal
from ildm.conditioning.prompt_windows import Unit, cut_into_windows
from ildm.core.errors import CheckpointError

# the marks, English contractions, words, single digits, runs of anything else
_WORDS = rf"{re.escape(START)}|{re.escape(END)}|'(?:s|t|re|ve|m|ll|d)|\p{{L}}+|\p{{N}}|[^\s\p{{L}}\p{{N}}]+"


class ClipTokenizer:
    """Byte pairs over lower-cased text in composed Unicode; nothing is unknown, punctuation is kept.

    Prompts longer than a window go on in another one. A word that was added has numbers of its own, one per vector.

    Args:
        vocabulary: numbers, merges and marks.
        padding: the token that fills a window behind the end mark.
        max_tokens: length of a window, marks included.

    Raises:
        CheckpointError: when the vocabulary does not fit together or has no such padding.
    """

    def __init__(self, vocabulary: ClipVocabulary, *, padding: str = END, max_tokens: int = 77) -> None:
        self._vocabulary, self.padding_token = vocabulary, padding
        self._inner = _assemble(vocabulary)
        self.max_tokens = max_tokens
        self.start, self.end, self.padding = (self._number(token) for token in (START, END, padding))
        self._comma = self._inner.token_to_id("," + WORD_END)
        self._added: dict[str, Unit] = {}

    @classmethod
    def from_folder(cls, folder: Path, *, padding: str = END, max_tokens: int = 77) -> ClipTokenizer:
        """Read the tokenizer of a published model: `vocab.json` and `merges.txt`, or `tokenizer.json`.

        Raises:
            CheckpointError: when it is missing or damaged.
        """
        return cls(read_vocabulary(folder), padding=padding, max_tokens=max_tokens)

    @classmethod
    def from_file(cls, path: Path, *, padding: str = END, max_tokens: int = 77) -> ClipTokenizer:
        """Read a `tokenizer.json` by whatever name.

        Raises:
            CheckpointError: when it is missing or damaged.
        """
        return cls(read_tokenizer_json(path), padding=padding, max_tokens=max_tokens)

    def to_json(self) -> str:
        """The tokenizer as JSON text, without added words."""
        return self._inner.to_str(pretty=False)

    def write_folder(self, folder: Path) -> None:
        """Write the files of a published tokenizer, which other programs read, without added words.

        transformers takes the padding for a mark wherever it stands in a text. So do we once we read this folder, even where the
        vocabulary of this tokenizer did not say so.
        """
        declared = self._inner.get_added_tokens_decoder()
        write_vocabulary(self._vocabulary, folder, declared=declared, padding=self.padding_token, max_tokens=self.max_tokens)

    @property
    def vocabulary_size(self) -> int:
        """One more than the largest number of the vocabulary, added words not counted."""
        return max(self._inner.get_vocab().values()) + 1

    def set_words(self, words: Mapping[str, int], first: int) -> None:
        """Know these words, and no other added ones, from now on.

        Args:
            words: how many vectors each has.
            first: number of the first vector of the first word.
        """
        self._added = {}
        for word, count in words.items():
            self._added[word.lower()] = tuple(range(first, first + count))
            first += count

    def encode(self, text: str) -> list[Unit]:
        """The numbers of a text without start and end mark; those of one added word stay together."""
        units: list[Unit] = []
        for part in self._parts(text):
            added = self._added.get(part.lower())
            units += [added] if added else [(number,) for number in self._inner.encode(part).ids]
        return units

    def check_fits(self, vocabulary_size: int) -> None:
        """See that an encoder of `vocabulary_size` embeddings has one for every number.

        Raises:
            CheckpointError: when it has not.
        """
        if self.vocabulary_size > vocabulary_size:
            raise CheckpointError(
                f"The vocabulary numbers its tokens up to {self.vocabulary_size - 1}, but the text encoder embeds only "
                f"{vocabulary_size}: use the model's own vocabulary."
            )

    def __call__(self, texts: Sequence[str], *, windows: int = 1) -> Int[Tensor, "batch windows tokens"]:
        """Windows of `max_tokens` numbers each: start mark, text, end mark, padding.

        Every text gets as many as the longest one, and at least `windows`; those it does not need are empty, like the only one
        of an empty text.
        """
        return self.weighted([literal(text) for text in texts], windows=windows)[0]

    def weighted(
        self, prompts: Sequence[Sequence[WeightedText]], *, windows: int = 1
    ) -> tuple[Int[Tensor, "batch windows tokens"], Float[Tensor, "batch windows tokens"]]:
        """Windows as above, and what each of their tokens weighs: marks and padding 1, all vectors of an added word the same.

        Stretches of different weight are tokenised apart, so that a bracket ends a word. Each part of a prompt begins a window, and
        one without words has an empty one, except behind the last `BREAK`.

        Args:
            prompts: the parts of each.
        """
        rows = [self._windows(parts) for parts in prompts]
        longest = max([windows, *map(len, rows)])
        tokens = torch.full((len(rows), longest, self.max_tokens), self.padding, dtype=torch.int64)
        weights = torch.ones(tokens.shape, dtype=torch.float64)
        tokens[:, :, 0], tokens[:, :, 1] = self.start, self.end
        for place, row in enumerate(rows):
            for number, window in enumerate(row):
                stop = len(window) + 1
                tokens[place, number, 1 : stop + 1] = torch.tensor([*(token for token, _ in window), self.end])
                weights[place, number, 1:stop] = torch.tensor([weight for _, weight in window], dtype=torch.float64)
        return tokens, weights

    def count_windows(self, parts: Sequence[WeightedText]) -> int:
        """How many windows the parts of one prompt take."""
        return len(self._windows(parts))

    def _windows(self, parts: Sequence[WeightedText]) -> list[list[tuple[int, float]]]:
        """Numbers with their weights, without marks."""
        windows: list[list[tuple[int, float]]] = []
        for place, part in enumerate(parts, start=1):
            read = [(unit, weight) for words, weight in part for unit in self.encode(words)]
            if windows and not read and place == len(parts):
                break
            cuts = cut_into_windows([unit for unit, _ in read], self.max_tokens - 2, comma=self._comma)
            windows += [[(number, weight) for unit, weight in read[cut] for number in unit] for cut in cuts]
        return windows

    def _parts(self, text: str) -> list[str]:
        """The text cut before and behind each added word, which is one only where it does not go on as a longer word."""
        if not self._added:
            return [text]
        longest_first = sorted(self._added, key=len, reverse=True)
        pattern = "|".join(_alone(word) for word in longest_first)
        return [part for part in re.split(f"({pattern})", text, flags=re.IGNORECASE) if part]

    def _number(self, token: str) -> int:
        number = self._inner.token_to_id(token)
        if number is None:
            raise CheckpointError(f"The vocabulary has no token {token!r}, so it is not CLIP's: use the model's own.")
        return number


def _alone(word: str) -> str:
    before = r"(?<!\w)" if word[0].isalnum() else ""
    behind = r"(?!\w)" if word[-1].isalnum() else ""
    return f"{before}{re.escape(word)}{behind}"


def _assemble(vocabulary: ClipVocabulary) -> _Tokenizer:
    try:
        model = models.BPE(
            vocab=dict(vocabulary.numbers),
            merges=list(vocabulary.merges),
            continuing_subword_prefix="",
            end_of_word_suffix=WORD_END,
            unk_token=END,
        )
    except Exception as error:  # the library raises plain Exception
        raise CheckpointError(f"The vocabulary does not fit together ({error}): fetch the model again.") from error
    inner = _Tokenizer(model)
    inner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_WORDS), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    inner.decoder = decoders.ByteLevel()
    inner.add_tokens(list(vocabulary.marks))
    return inner
