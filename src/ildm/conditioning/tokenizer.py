"""Words to numbers: a byte-pair vocabulary trained on the captions (Sennrich 2016), over bytes so that no text is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from pathlib import Path
from statistics import fmean

import torch
from jaxtyping import Bool, Float, Int
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as _Tokenizer
from torch import Tensor

from ildm.conditioning.prompt import WeightedText, words_of
from ildm.conditioning.prompt_windows import Unit, cut_into_windows
from ildm.core.errors import CheckpointError, DataError

PAD, START, END = "[PAD]", "[START]", "[END]"
SMALLEST = 3 + 256  # the marks and the bytes


class Tokenizer:
    """Lower-cased byte-level BPE with a start and an end mark, padded to a fixed length.

    Args:
        inner: a trained tokenizer of the `tokenizers` library.
        max_tokens: length of every row, marks included; longer texts are cut.
    """

    def __init__(self, inner: _Tokenizer, max_tokens: int) -> None:
        self._inner = inner
        self.max_tokens = max_tokens
        self._pad, self._start, self._end = (self._id(mark) for mark in (PAD, START, END))

    @classmethod
    def train(cls, captions: Iterable[str], *, vocabulary_size: int, max_tokens: int) -> Tokenizer:
        """Learn a vocabulary from captions.

        Raises:
            DataError: when there is not one word in them.
        """
        inner = _Tokenizer(models.BPE())
        inner.normalizer = normalizers.Sequence(
            [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
        )
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        inner.decoder = decoders.ByteLevel()
        # Not WordPiece: its trainer numbers pieces in the order of a hash map, so that two trainings differ.
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size,
            special_tokens=[PAD, START, END],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        inner.train_from_iterator(captions, trainer)
        if inner.get_vocab_size() <= SMALLEST:
            raise DataError("There is not one word in the captions: a text model needs captioned images.")
        return cls(inner, max_tokens)

    @classmethod
    def from_file(cls, path: Path, max_tokens: int) -> Tokenizer:
        """Read a vocabulary that `save` wrote.

        Raises:
            CheckpointError: when the file is missing or damaged.
        """
        try:
            return cls(_Tokenizer.from_file(str(path)), max_tokens)
        except Exception as error:  # the library raises plain Exception
            raise CheckpointError(f"The vocabulary {path.name} cannot be read ({error}): fetch the model again.") from error

    def to_json(self) -> str:
        """The vocabulary as JSON text."""
        return self._inner.to_str(pretty=False)

    @property
    def vocabulary_size(self) -> int:
        """How many pieces there are."""
        return self._inner.get_vocab_size()

    def __call__(self, texts: Sequence[str]) -> tuple[Int[Tensor, "batch tokens"], Bool[Tensor, "batch tokens"]]:
        """Token numbers and a mask that is True where they are real, both (batch, max_tokens)."""
        tokens, mask, _ = self.weighted([[(text, 1.0)] for text in texts])
        return tokens, mask

    def weighted(
        self, texts: Sequence[WeightedText]
    ) -> tuple[Int[Tensor, "batch tokens"], Bool[Tensor, "batch tokens"], Float[Tensor, "batch tokens"]]:
        """Token numbers and mask as above, and what each token weighs, (batch, max_tokens): marks and padding 1.

        The numbers are those of the text without weights, whose words were learnt with the spaces before them and commas without any. A
        piece weighs what its letters do on average, should a bracket stand inside it.
        """
        encodings = self._inner.encode_batch([words_of(text) for text in texts])
        tokens = torch.full((len(texts), self.max_tokens), self._pad, dtype=torch.int64)
        weights = torch.ones(tokens.shape, dtype=torch.float64)
        for place, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            ids = encoding.ids[: self.max_tokens - 2]
            tokens[place, : len(ids) + 2] = torch.tensor([self._start, *ids, self._end])
            if any(weight != 1 for _, weight in text):
                letters = [(letter, weight) for words, weight in text for letter in words]
                pieces = [_weight(letters[start:end]) for start, end in encoding.offsets[: len(ids)]]
                weights[place, 1 : len(ids) + 1] = torch.tensor(pieces, dtype=torch.float64)
        return tokens, tokens != self._pad, weights

    def cut(self, text: WeightedText) -> list[WeightedText]:
        """A text cut into such as are read to their ends: between words, and behind a comma where one is near."""
        letters = [(letter, weight) for words, weight in text for letter in words]
        encoding = self._inner.encode(words_of(text))
        pairs = groupby(zip(encoding.word_ids, encoding.ids, strict=True), itemgetter(0))
        units: list[Unit] = [tuple(piece for _, piece in word) for _, word in pairs]
        room = self.max_tokens - 2
        if max(map(len, units), default=0) > room:  # a word that is longer falls apart, and what follows begins as a word does
            units, room = [(piece,) for piece in encoding.ids], max(1, room - 1)
        starts = [0, *accumulate(map(len, units))]
        windows = cut_into_windows(units, room, comma=self._inner.token_to_id(","))
        ends = [encoding.offsets[starts[window.start]][0] for window in windows[1:]]
        return [_runs(letters[start:end]) for start, end in pairwise([0, *ends, len(letters)])]

    def pieces(self, text: str) -> list[str]:
        """The pieces a text is cut into, without marks; one that begins a word shows it by a space."""
        return [self._inner.decode([number]) for number in self._inner.encode(text).ids]

    def _id(self, mark: str) -> int:
        number = self._inner.token_to_id(mark)
        if number is None:
            raise CheckpointError(
                f"The vocabulary has no {mark} piece, so it was not made by this program: use the model's own."
            )
        return number


def _runs(letters: WeightedText) -> WeightedText:
    """Letters of equal weight joined."""
    return [("".join(letter for letter, _ in run), weight) for weight, run in groupby(letters, itemgetter(1))]


def _weight(letters: WeightedText) -> float:
    """Of a piece, whose space before the word does not count."""
    return fmean([weight for letter, weight in letters if not letter.isspace()] or [1.0])
