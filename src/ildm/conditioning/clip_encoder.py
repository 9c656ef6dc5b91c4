"""CLIP's text encoder (Radford 2021) as transformers builds it, with room for tokens that were learnt later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ildm.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class ClipEncoderConfig:
    """The graph of a CLIP text encoder; the defaults are those of ViT-L/14.

    Args:
        width: of every token.
        depth: how many transformer layers.
        num_heads: of self-attention; divides `width`.
        feed_forward_width: inside each layer.
        activation: "quick_gelu" in OpenAI's encoders, "gelu" in OpenCLIP's.
        projection_width: of the pooled vector; None = the encoder has no projection, and gives none.
        max_tokens: length of a window, start and end mark included.
        vocabulary_size: number of token embeddings.
    """

    width: int = 768
    depth: int = 12
    num_heads: int = 12
    feed_forward_width: int = 3072
    activation: Literal["quick_gelu", "gelu"] = "quick_gelu"
    projection_width: int | None = None
    max_tokens: int = 77
    vocabulary_size: int = 49408

    def __post_init__(self) -> None:
        if self.num_heads < 1 or self.width % self.num_heads:
            raise ConfigError(f"A text encoder's heads divide its width, but {self.num_heads} and {self.width} were given.")
        if self.max_tokens < 3:
            raise ConfigError(f"A window holds two marks and at least one token, but max_tokens {self.max_tokens} was given.")


VIT_L = ClipEncoderConfig()
"""OpenAI's ViT-L/14: Stable Diffusion 1, and XL's first."""
VIT_H = ClipEncoderConfig(width=1024, depth=23, num_heads=16, feed_forward_width=4096, activation="gelu")
"""OpenCLIP's ViT-H/14 without its last layer, which Stable Diffusion 2 never reads."""
BIG_G = ClipEncoderConfig(width=1280, depth=32, num_heads=20, feed_forward_width=5120, activation="gelu", projection_width=1280)
"""OpenCLIP's ViT-bigG/14: XL's second, and the only one of XL's refiner."""


def check_clip_skip(clip_skip: int, encoder: ClipEncoderConfig) -> None:
    """See that there is such a layer.

    Raises:
        ConfigError: when there is none.
    """
    if not 1 <= clip_skip <= encoder.depth:
        raise ConfigError(
            f"clip_skip counts layers from the end, 1 to {encoder.depth} in a text encoder of that depth, "
            f"but {clip_skip} was given."
        )


class ClipEncoder(nn.Module):
    """A causal transformer over windows of tokens. Its weights have the names that transformers has published them under.

    Raises:
        ConfigError: when transformers is not installed.
    """

    def __init__(self, config: ClipEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = _text_model(config)
        if config.projection_width is not None:
            self.text_projection = nn.Linear(config.width, config.projection_width, bias=False)

    def forward(self, tokens: Int[Tensor, "batch windows tokens"]) -> tuple[Float[Tensor, "batch windows tokens width"], ...]:
        """The embeddings and the output of each layer, first to last: depth + 1 tensors, the final norm not applied.

        Every window is encoded alone.
        """
        rows = tokens.flatten(0, 1).to(self.device)
        positions = torch.arange(rows.shape[1], device=rows.device)[None]
        output = self.text_model(rows, position_ids=positions, output_hidden_states=True)
        return tuple(hidden.unflatten(0, tokens.shape[:2]) for hidden in output.hidden_states)

    def normalise(self, hidden: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """The final norm."""
        return self.text_model.final_layer_norm(hidden)

    def pool(
        self, last: Float[Tensor, "batch tokens width"], tokens: Int[Tensor, "batch tokens"], end: int
    ) -> Float[Tensor, "batch features"]:
        """The last layer's output at the first end mark of each window, normalised and projected."""
        place = (tokens == end).int().argmax(dim=1)
        chosen = last[torch.arange(len(last)), place]
        return self.text_projection(self.normalise(chosen))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.text_model.final_layer_norm.weight.device

    def set_words(self, vectors: Float[Tensor, "vectors width"] | None) -> None:
        """Take these vectors for the numbers from `vocabulary_size` on; they are no part of the weights. None = there are none."""
        self.text_model.embeddings.token_embedding.added = vectors


class TokenEmbedding(nn.Embedding):
    """Token embeddings that go on in a second, borrowed table."""

    added: Tensor | None = None

    def forward(self, input: Int[Tensor, "rows tokens"]) -> Float[Tensor, "rows tokens width"]:
        """One vector per token."""
        if self.added is None:
            return super().forward(input)
        known = super().forward(input.clamp(max=self.num_embeddings - 1))
        added = F.embedding((input - self.num_embeddings).clamp(min=0), self.added.to(self.weight))
        return torch.where((input >= self.num_embeddings)[..., None], added, known)


def _text_model(config: ClipEncoderConfig) -> Any:
    try:
        from transformers import CLIPTextConfig, CLIPTextModel
    except ImportError as error:
        raise ConfigError(f"A CLIP text encoder needs transformers ({error}): run pip install transformers.") from error
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=config.vocabulary_size,
            hidden_size=config.width,
            intermediate_size=config.feed_forward_width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.num_heads,
            max_position_embeddings=config.max_tokens,
            hidden_act=config.activation,
            # only for transformers' own pooling, which is not read here; its defaults lie outside small vocabularies
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=0,
        )
    )
    inner = getattr(model, "text_model", model)  # transformers before 5.6 wraps it once more
    # positions are given at each call, so that every tensor of the module is a weight of the file
    del inner.embeddings.position_ids
    given = inner.embeddings.token_embedding
    inner.embeddings.token_embedding = TokenEmbedding(config.vocabulary_size, config.width, device="meta")
    inner.embeddings.token_embedding.weight = given.weight
    return inner
