"""Prompts for Stable Diffusion 1 and 2: one CLIP text encoder, whose hidden states are the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import torch
from jaxtyping import Bool
from torch import Tensor

from ildm.conditioning.clip_encoder import VIT_L, ClipEncoder, ClipEncoderConfig, check_clip_skip
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import END, TOKENIZER
from ildm.conditioning.clip_words import AddedWords
from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.places import marked
from ildm.conditioning.prompt import literal, weighted_parts
from ildm.conditioning.weighting import emphasise
from ildm.conditioning.windows import Parts, encode_alike
from ildm.core.types import Conditioning


@dataclass(frozen=True, kw_only=True)
class ClipConfig:
    """How one CLIP text encoder becomes the context; the defaults are Stable Diffusion 1's.

    Args:
        encoder: its graph.
        clip_skip: which layer is read, counted from the end as people count: 1 = the last, 2 = the one before. Its output
            passes through the final norm in any case.
        padding: token behind the end mark: the end mark itself for OpenAI's encoders, "!" for OpenCLIP's.
    """

    encoder: ClipEncoderConfig = field(default_factory=lambda: VIT_L)
    clip_skip: int = 1
    padding: str = END

    def __post_init__(self) -> None:
        check_clip_skip(self.clip_skip, self.encoder)

    @property
    def context_width(self) -> int:
        """Width of the context's tokens."""
        return self.encoder.width


class ClipConditioner(Conditioner):
    """Prompts to a context of 77 tokens per window: the published models attend to the padding in it too.

    Prompts of more than 75 tokens take several windows, each encoded alone, and a `BREAK` begins another one. In a batch of prompts
    with different numbers of windows those that a prompt does not need are masked. Weights multiply the tokens of the context, in each
    window apart.

    Raises:
        CheckpointError: when the vocabulary does not fit the encoder.
    """

    kind: ClassVar[str] = "clip"
    Config: ClassVar[type[ClipConfig]] = ClipConfig

    def __init__(self, config: ClipConfig, tokenizer: ClipTokenizer) -> None:
        super().__init__()
        tokenizer.check_fits(config.encoder.vocabulary_size)
        self.config = config
        self.tokenizer = tokenizer
        self.encoder = ClipEncoder(config.encoder)
        self.words = AddedWords((tokenizer, self.encoder))

    def forward(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,  # noqa: ARG002 - these models are not told
    ) -> Conditioning:
        """The context of plain texts, (batch, 77 * most windows, width)."""
        return self._encode([literal(prompt) for prompt in prompts])

    def read(
        self,
        prompts: Sequence[str],
        size: tuple[int, int] | None = None,  # noqa: ARG002
    ) -> Conditioning:
        """The context of prompts in prompt syntax, (batch, 77 * most windows, width)."""
        return self._encode([weighted_parts(prompt) for prompt in prompts])

    def places(self, prompt: str, word: str) -> Bool[Tensor, " tokens"]:
        """Which tokens of the context that `read` makes of a prompt are those of a word in it; see `Conditioner.places`."""
        _, weights = self.tokenizer.weighted([marked(prompt, word)])
        return (weights[0] != 1.0).flatten()

    @property
    def tokenizers(self) -> tuple[ClipTokenizer, ...]:
        """One for each encoder."""
        return (self.tokenizer,)

    @classmethod
    def restore(cls, config: ClipConfig, folder: Path) -> Self:
        """The conditioner whose vocabulary lies in `folder`, its weights still to be filled in.

        Raises:
            CheckpointError: when the vocabulary is missing or damaged.
        """
        tokenizer = ClipTokenizer.from_file(folder / TOKENIZER, padding=config.padding, max_tokens=config.encoder.max_tokens)
        with torch.device("meta"):
            conditioner = cls(config, tokenizer)
        return conditioner.to_empty(device="cpu")

    def write_files(self, folder: Path) -> None:
        """Write the vocabulary, without added words."""
        (folder / TOKENIZER).write_text(self.tokenizer.to_json(), encoding="utf-8")

    def _encode(self, prompts: Sequence[Parts]) -> Conditioning:
        return encode_alike(prompts, self.tokenizer.count_windows, self._encode_together)

    def _encode_together(self, prompts: Sequence[Parts]) -> Conditioning:
        tokens, weights = self.tokenizer.weighted(prompts)
        hidden = self.encoder(tokens)[-self.config.clip_skip]  # (batch, windows, 77, width)
        context = emphasise(self.encoder.normalise(hidden), weights, keep="mean")
        return Conditioning(context=context.flatten(1, 2))
