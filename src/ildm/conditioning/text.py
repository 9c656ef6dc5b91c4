"""The text encoder that learns together with the U-Net (Rombach 2022, eq. 3): tau(y)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.grounding import PADDING, Mention, named, numbered
from ildm.conditioning.places import marked
from ildm.conditioning.prompt import WeightedText, literal, weighted_parts, words_of
from ildm.conditioning.tokenizer import Tokenizer
from ildm.conditioning.weighting import emphasise
from ildm.core.errors import ConfigError
from ildm.core.types import Conditioning

VOCABULARY = "tokenizer.json"
TOKEN_BLOCK = 8


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig:
    """The graph of the text encoder.

    Args:
        width: of every token.
        depth: how many transformer layers.
        num_heads: of self-attention; divides `width`.
        max_tokens: start and end mark included.
        vocabulary_size: at most; a small set of captions may give fewer pieces.
        pooled: also give the average token, for the network's time embedding.
    """

    width: int = 256
    depth: int = 4
    num_heads: int = 4
    max_tokens: int = 32
    vocabulary_size: int = 4096
    pooled: bool = True

    def __post_init__(self) -> None:
        if min(self.width, self.depth, self.num_heads, self.max_tokens - 2, self.vocabulary_size) < 1:
            raise ConfigError(
                f"A text encoder has a width, depth, heads, vocabulary and room for a word (max_tokens of 3 or more), but {self} was given."
            )
        if self.width % self.num_heads:
            raise ConfigError(f"text.num_heads divides text.width, but {self.num_heads} and {self.width} were given.")


class TextEncoder(nn.Module):
    """Bidirectional transformer over token embeddings, pre-normalised."""

    def __init__(self, config: TextEncoderConfig, vocabulary_size: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary_size, config.width)
        self.position_embedding = nn.Parameter(torch.empty(config.max_tokens, config.width))
        self.layers = nn.ModuleList(TextLayer(config.width, config.num_heads) for _ in range(config.depth))
        self.norm_out = nn.LayerNorm(config.width)
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding, std=0.01)

    def forward(
        self, tokens: Int[Tensor, "batch tokens"], mask: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens width"]:
        """One vector per token; masked tokens are seen by nobody."""
        x = self.token_embedding(tokens) + self.position_embedding[: tokens.shape[1]]
        for layer in self.layers:
            x = layer(x, mask)
        return self.norm_out(x)


class TextLayer(nn.Module):
    """Self-attention and a feed-forward network, each with a skip."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm1 = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.to_out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Float[Tensor, "batch tokens width"], mask: Bool[Tensor, "batch tokens"]) -> Tensor:
        heads = self.to_qkv(self.norm1(x)).unflatten(-1, (3, self.num_heads, -1))  # (batch, tokens, 3, heads, width / heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None, :])
        x = x + self.to_out(mixed.transpose(1, 2).flatten(2))
        return x + self.feed_forward(self.norm2(x))


class TextConditioner(Conditioner):
    """Prompts to a `Conditioning`. Training drops captions to the empty prompt.

    Each part of a prompt between `BREAK`s is encoded alone, with room for `max_tokens` of its own, and so is what finds no room; parts
    without words are left out.
    Weights multiply the tokens of the context, whose size in each part is then what it was: not their mean, which this encoder's last
    norm has brought to nearly nothing. The pooled vector is the average of the weighted tokens of all parts: it tells the network what
    the picture shows just as the context does, so weights act on both.
    """

    kind: ClassVar[str] = "text"
    Config: ClassVar[type[TextEncoderConfig]] = TextEncoderConfig

    def __init__(self, config: TextEncoderConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.encoder = TextEncoder(config, tokenizer.vocabulary_size)

    def forward(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:  # noqa: ARG002
        """The context of plain texts with its mask, and the pooled vector when configured.

        Texts may be of any length: what is too long to be read at once goes on in another part. The context is (batch, tokens, width)
        with as many tokens as the longest prompt has, rounded up to a multiple of `TOKEN_BLOCK`: most prompts are much shorter than
        the longest possible, and what is masked costs as much as what is read.
        """
        return self._encode([self._whole(literal(prompt)) for prompt in prompts])

    def read(self, prompts: Sequence[str], size: tuple[int, int] | None = None) -> Conditioning:  # noqa: ARG002
        """The same of prompts in prompt syntax. Every part has as many tokens as the longest; there are masked ones behind each."""
        return self._encode([self._whole(weighted_parts(prompt)) for prompt in prompts])

    @classmethod
    def restore(cls, config: TextEncoderConfig, folder: Path) -> Self:
        """The conditioner whose vocabulary lies in `folder`, its weights still to be filled in.

        Raises:
            CheckpointError: when the vocabulary is missing or damaged.
        """
        return cls(config, Tokenizer.from_file(folder / VOCABULARY, config.max_tokens))

    def write_files(self, folder: Path) -> None:
        """Write the vocabulary."""
        (folder / VOCABULARY).write_text(self.tokenizer.to_json(), encoding="utf-8")

    def places(self, prompt: str, word: str) -> Bool[Tensor, " tokens"]:
        """Which tokens of the context that `read` makes of a prompt are those of a word in it; see `Conditioner.places`."""
        _, _, weights = self._tokens(_spoken(self._whole(marked(prompt, word))))
        return (weights != 1.0).flatten()

    def named(self, prompts: Sequence[str], mentions: Sequence[Sequence[Mention]]) -> Int[Tensor, "batch tokens"]:
        """What each token of the context that `forward` makes of plain texts names; see `Grounding.tokens`.

        Args:
            mentions: of each prompt, one behind the other.
        """
        spoken = [self._whole([numbered(prompt, found)]) for prompt, found in zip(prompts, mentions, strict=True)]
        _, mask, weights = self._tokens([part for parts in spoken for part in parts])
        return _join(named(weights, mask), [len(parts) for parts in spoken], PADDING)

    def _whole(self, parts: Sequence[WeightedText]) -> list[WeightedText]:
        """The parts, and behind each what does not fit into it."""
        return [piece for part in parts for piece in self.tokenizer.cut(part)]

    def _tokens(self, parts: Sequence[WeightedText]) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers, mask and weights, (parts, tokens) each, with as many tokens as are needed."""
        tokens, mask, weights = self.tokenizer.weighted(parts)
        kept = -(-int(mask.sum(dim=1).max()) // TOKEN_BLOCK) * TOKEN_BLOCK
        return tokens[:, :kept], mask[:, :kept], weights[:, :kept]

    def _encode(self, prompts: Sequence[Sequence[WeightedText]]) -> Conditioning:
        spoken = [_spoken(parts) for parts in prompts]
        tokens, mask, weights = self._tokens([part for parts in spoken for part in parts])
        device = self.encoder.position_embedding.device
        mask = mask.to(device)
        context = emphasise(self.encoder(tokens.to(device), mask), weights, mask, keep="size")
        counts = [len(parts) for parts in spoken]
        if max(counts) > 1:
            context, mask = (_join(rows, counts) for rows in (context, mask))
        pooled = _masked_mean(context, mask) if self.config.pooled else None
        return Conditioning(context=context, context_mask=mask, pooled=pooled)


def _spoken(parts: Sequence[WeightedText]) -> list[WeightedText]:
    """The parts that have words in them; where none has, the empty text."""
    return [part for part in parts if words_of(part).strip()] or literal("")


def _join(rows: Tensor, counts: list[int], padding: int = 0) -> Tensor:
    """The rows of each prompt one behind the other, filled up: (sum of counts, tokens, ...) to (batch, more tokens, ...)."""
    return pad_sequence([parts.flatten(0, 1) for parts in rows.split(counts)], batch_first=True, padding_value=padding)


def _masked_mean(context: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(context.dtype)[..., None]
    return (context * weights).sum(dim=1) / weights.sum(dim=1)
