"""Prompts for Stable Diffusion XL (Podell 2023): two CLIP text encoders side by side, a pooled vector, and the image's size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ildm.conditioning.clip_encoder import BIG_G, VIT_L, ClipEncoder, ClipEncoderConfig, check_clip_skip
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import END, TOKENIZER
from ildm.conditioning.clip_words import AddedWords
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.places import marked
from ildm.conditioning.prompt import literal, weighted_parts, words_of
from ildm.conditioning.weighting import emphasise
from ildm.conditioning.windows import Parts, encode_alike
from ildm.core.errors import ConfigError
from ildm.core.sinusoidal import sinusoidal
from ildm.core.types import Conditioning

SECOND_TOKENIZER = "tokenizer_2.json"
REFINER_SCORE = 6.0
"""What XL's refiner is told of how beautiful an image is, unless a call says otherwise."""


@dataclass(frozen=True, kw_only=True)
class ClipPairConfig:
    """How two CLIP text encoders become context and pooled vector; the defaults are those of Stable Diffusion XL's base model.

    Its refiner: `first=None, aesthetic_score=6.0, zero_empty=False`.

    Args:
        first: the encoder that gives context alone; None = there is only the second.
        second: the encoder that gives context and, projected, the pooled vector.
        clip_skip: which layer is read as context, counted from the end: 1 = the last, 2 = the one before. No final norm follows.
        first_padding, second_padding: token behind the end mark.
        image_size: (width, height) in pixels, when a call does not say.
        aesthetic_score: the model is told how beautiful the image is (about 1 to 10, 6 is usual for what is wanted and 2.5 for what is
            not) in place of the size to be cut to; this is the score when a call does not say. None = it is not told.
        size_width: of the sinusoidal embedding of each number that the model is told.
        zero_empty: the empty prompt is zeros and not what the encoders make of it.
    """

    first: ClipEncoderConfig | None = field(default_factory=lambda: VIT_L)
    second: ClipEncoderConfig = field(default_factory=lambda: BIG_G)
    clip_skip: int = 2
    first_padding: str = END
    second_padding: str = "!"
    image_size: tuple[int, int] = (1024, 1024)
    aesthetic_score: float | None = None
    size_width: int = 256
    zero_empty: bool = True

    def __post_init__(self) -> None:
        for encoder in (self.first, self.second):
            if encoder is not None:
                check_clip_skip(self.clip_skip, encoder)
        if self.first is not None and self.first.max_tokens != self.second.max_tokens:
            raise ConfigError(
                "Two text encoders side by side read windows of one length, but max_tokens "
                f"{self.first.max_tokens} and {self.second.max_tokens} were given."
            )
        if self.second.projection_width is None:
            raise ConfigError("The second text encoder gives the pooled vector, so it needs a projection_width.")
        if self.size_width < 2 or self.size_width % 2:
            raise ConfigError(
                f"Half of size_width are cosines, half sines, but {self.size_width} was given: choose an even number."
            )

    @property
    def context_width(self) -> int:
        """Width of the context's tokens."""
        return self.second.width + (0 if self.first is None else self.first.width)

    @property
    def pooled_width(self) -> int:
        """Features of the pooled vector, the embedded numbers included."""
        return (self.second.projection_width or 0) + self.size_width * (6 if self.aesthetic_score is None else 5)


class ClipPairConditioner(Conditioner):
    """Prompts to context (77 tokens per window) and pooled vector.

    Prompts of more than 75 tokens take several windows, each encoded alone, and a `BREAK` begins another one; the first one gives the
    pooled vector. In a batch of prompts with different numbers of windows those that a prompt does not need are masked. Weights multiply
    the tokens of the context, in each window and for each encoder apart, and leave the pooled vector as it is, as in AUTOMATIC1111's
    program.

    Args:
        first_tokenizer: None where the configuration has no first encoder.

    Raises:
        CheckpointError: when a vocabulary does not fit its encoder.
    """

    kind: ClassVar[str] = "clip-pair"
    Config: ClassVar[type[ClipPairConfig]] = ClipPairConfig

    def __init__(self, config: ClipPairConfig, first_tokenizer: ClipTokenizer | None, second_tokenizer: ClipTokenizer) -> None:
        super().__init__()
        self.config = config
        self._readers: list[tuple[ClipTokenizer, ClipEncoder]] = []
        if config.first is not None:
            assert first_tokenizer is not None
            self.first = ClipEncoder(config.first)
            self._readers.append((first_tokenizer, self.first))
        self.second = ClipEncoder(config.second)
        self._readers.append((second_tokenizer, self.second))
        self._end = second_tokenizer.end
        for tokenizer, encoder in self._readers:
            tokenizer.check_fits(encoder.config.vocabulary_size)
        self.words = AddedWords(*self._readers)

    def forward(
        self, prompts: Sequence[str], size: tuple[int, int] | None = None, *, aesthetic_score: float | None = None
    ) -> Conditioning:
        """The context of plain texts, (batch, 77 * most windows, context_width), and their pooled vectors, (batch, pooled_width).

        Args:
            size: (width, height) of the image to be drawn, in pixels; None = the model's own.
            aesthetic_score: for a model that is told; None = the configuration's.
        """
        return self._encode([literal(prompt) for prompt in prompts], self._told(size, aesthetic_score))

    def read(
        self, prompts: Sequence[str], size: tuple[int, int] | None = None, *, aesthetic_score: float | None = None
    ) -> Conditioning:
        """The same of prompts in prompt syntax. One of brackets and `BREAK`s alone is empty."""
        return self._encode([weighted_parts(prompt) for prompt in prompts], self._told(size, aesthetic_score))

    def places(self, prompt: str, word: str) -> Bool[Tensor, " tokens"]:
        """Which tokens of the context that `read` makes of a prompt are those of a word in it; see `Conditioner.places`."""
        return torch.stack([weights[0] != 1.0 for _, weights in self._tokens([marked(prompt, word)])]).any(dim=0).flatten()

    @property
    def tokenizers(self) -> tuple[ClipTokenizer, ...]:
        """One for each encoder."""
        return tuple(tokenizer for tokenizer, _ in self._readers)

    @classmethod
    def restore(cls, config: ClipPairConfig, folder: Path) -> Self:
        """The conditioner whose vocabularies lie in `folder`, its weights still to be filled in.

        Raises:
            CheckpointError: when a vocabulary is missing or damaged.
        """
        names, paddings = (TOKENIZER, SECOND_TOKENIZER), (config.first_padding, config.second_padding)
        first, second = (
            None if encoder is None else ClipTokenizer.from_file(folder / name, padding=padding, max_tokens=encoder.max_tokens)
            for encoder, name, padding in zip((config.first, config.second), names, paddings, strict=True)
        )
        assert second is not None
        with torch.device("meta"):
            conditioner = cls(config, first, second)
        return conditioner.to_empty(device="cpu")

    def write_files(self, folder: Path) -> None:
        """Write the vocabularies, without added words."""
        *first, (second, _) = self._readers
        for tokenizer, _ in first:
            (folder / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
        (folder / SECOND_TOKENIZER).write_text(second.to_json(), encoding="utf-8")

    def _count_windows(self, parts: Parts) -> int:
        """How many windows a prompt takes, the same for both encoders."""
        return max(tokenizer.count_windows(parts) for tokenizer, _ in self._readers)

    def _tokens(self, prompts: Sequence[Parts]) -> list[tuple[Tensor, Tensor]]:
        """Each encoder's token numbers and weights, (batch, windows, 77), all with as many windows."""
        windows = max(map(self._count_windows, prompts), default=1)
        return [tokenizer.weighted(prompts, windows=windows) for tokenizer, _ in self._readers]

    def _encode(self, prompts: Sequence[Parts], told: Float[Tensor, "1 features"]) -> Conditioning:
        return encode_alike(prompts, self._count_windows, lambda alike: self._encode_together(alike, told))

    def _encode_together(self, prompts: Sequence[Parts], told: Float[Tensor, "1 features"]) -> Conditioning:
        read = self._tokens(prompts)
        hidden = [encoder(tokens) for (_, encoder), (tokens, _) in zip(self._readers, read, strict=True)]
        chosen = [states[-self.config.clip_skip] for states in hidden]
        weighted = [emphasise(states, weights, keep="mean") for states, (_, weights) in zip(chosen, read, strict=True)]
        context = torch.cat(weighted, dim=-1).flatten(1, 2)
        pooled = self.second.pool(hidden[-1][-1][:, 0], read[-1][0][:, 0], self._end)
        if self.config.zero_empty:
            wordless = [not any(words_of(part).strip() for part in parts) for parts in prompts]
            empty = torch.tensor(wordless, device=pooled.device)[:, None]
            context, pooled = context.masked_fill(empty[..., None], 0), pooled.masked_fill(empty, 0)
        told = told.to(pooled).expand(len(prompts), -1)
        return Conditioning(context=context, pooled=torch.cat([pooled, told], dim=-1))

    def _told(self, size: tuple[int, int] | None, aesthetic_score: float | None) -> Float[Tensor, "1 features"]:
        """What the model is told in numbers: original height and width, top and left of the cut, then target height and width or
        the aesthetic score (Podell 2023, section 2.2). The image is drawn as if it had never been larger nor cut."""
        width, height = size or self.config.image_size
        score = self.config.aesthetic_score if aesthetic_score is None else aesthetic_score
        if (score is None) != (self.config.aesthetic_score is None):
            raise ConfigError(
                f"This model is not told an aesthetic score, but {aesthetic_score} was given: leave it out, "
                "or configure the conditioner for XL's refiner."
            )
        numbers = [height, width, 0, 0, *((height, width) if score is None else (score,))]
        return sinusoidal(torch.tensor(numbers, dtype=torch.float32), self.config.size_width).reshape(1, -1)
