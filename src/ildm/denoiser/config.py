"""The graph of a U-Net, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ildm.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """The graph of a U-Net.

    Args:
        in_channels: of the noised latent.
        out_channels: of the prediction.
        concat_channels: of what is concatenated to the latent (`Conditioning.concat`).
        channels: per level, finest first; each level has half the resolution of the one before.
        res_blocks: per level on the way down; the way up has one more.
        depths: transformer blocks after each residual block, per level; 0 = none.
        mid_depth: transformer blocks in the middle; 0 = none.
        attention: "transformer" (self-attention, cross-attention, feed-forward) or "plain" (one self-attention, where the
            depth is 1), the unconditional LDMs' kind.
        head_width: channels per head, or
        heads: heads per level; exactly one of the two is given. The middle has the heads of the last level.
        context_width: of the tokens cross-attention reads; None = transformers without cross-attention.
        linear_projection: transformers project in and out by linear layers instead of 1x1 convolutions.
        pooled_width: of `Conditioning.pooled`; None = not taken.
        labels: number of classes of `Conditioning.label`; None = not taken.
        guidance_width: of the sinusoidal embedding of `Conditioning.guidance`, even, 4 or more; None = not taken.
        scale_shift_norm: the time embedding scales and shifts the second norm instead of being added.
        resample: halve and double the resolution by a convolution or by residual blocks (`resblock_updown`).
        time_channels: of the sinusoidal embedding; None = channels[0].
        time_width: of the time embedding; None = 4 * channels[0].
        cosine_first: cosines before sines in the sinusoidal embedding, as in every LDM and Stable Diffusion checkpoint.
        norm_groups, norm_eps: of the group norms.
        qk_norm: normalise queries and keys per head.
        dropout: probability, inside residual blocks.
    """

    in_channels: int = 4
    out_channels: int = 4
    concat_channels: int = 0
    channels: tuple[int, ...] = (128, 256, 384)
    res_blocks: tuple[int, ...] = (2, 2, 2)
    depths: tuple[int, ...] = (1, 1, 1)
    mid_depth: int = 1
    attention: Literal["transformer", "plain"] = "transformer"
    head_width: int | None = None
    heads: tuple[int, ...] | None = None
    context_width: int | None = None
    linear_projection: bool = False
    pooled_width: int | None = None
    labels: int | None = None
    guidance_width: int | None = None
    scale_shift_norm: bool = False
    resample: Literal["convolution", "residual"] = "convolution"
    time_channels: int | None = None
    time_width: int | None = None
    cosine_first: bool = True
    norm_groups: int = 32
    norm_eps: float = 1e-5
    qk_norm: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        levels = len(self.channels)
        if not self.channels or min(*self.channels, self.norm_groups, self.in_channels, self.out_channels, 1) < 1:
            raise ConfigError(
                f"A U-Net has one level or more, and channels and norm_groups of at least 1, but channels {self.channels}, "
                f"norm_groups {self.norm_groups}, in_channels {self.in_channels} and out_channels {self.out_channels} were given."
            )
        if (self.head_width is not None and self.head_width < 1) or min(self.heads or (1,)) < 1:
            raise ConfigError(f"Heads are at least 1 wide and 1 in number, but {self.head_width or self.heads} was given.")
        for name in ("res_blocks", "depths", "heads"):
            values = getattr(self, name)
            if values is not None and len(values) != levels:
                raise ConfigError(
                    f"A U-Net of {levels} levels (channels {self.channels}) needs {levels} values of {name}, "
                    f"but {values} was given."
                )
        if (self.head_width is None) == (self.heads is None):
            raise ConfigError("A U-Net needs exactly one of head_width (channels per head) and heads (heads per level).")
        if self.guidance_width is not None and (self.guidance_width < 4 or self.guidance_width % 2):
            raise ConfigError(f"guidance_width is even and 4 or more, but {self.guidance_width} was given.")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is a probability within [0, 1), but {self.dropout} was given.")
        self._check_channels()
        if self.attention == "plain" and max(*self.depths, self.mid_depth) > 1:
            raise ConfigError(
                f"Plain attention has a depth of 0 or 1, but depths {self.depths} and {self.mid_depth} were given."
            )
        if self.attention == "plain" and self.context_width is not None:
            raise ConfigError("Plain attention reads no context: leave context_width out, or choose attention=transformer.")

    def _check_channels(self) -> None:
        for level, channels in enumerate(self.channels):
            if channels % self.norm_groups:
                raise ConfigError(
                    f"Level {level} has {channels} channels, which do not split into {self.norm_groups} norm groups: "
                    "choose a multiple, or set norm_groups."
                )
            if self.has_attention(level) and channels % self.heads_at(level):
                raise ConfigError(
                    f"Level {level} has {channels} channels, which do not split into {self.heads_at(level)} heads."
                )

    @property
    def levels(self) -> int:
        return len(self.channels)

    @property
    def multiple(self) -> int:
        """What rows and columns of a latent are multiples of, so that every level can halve them."""
        return 2 ** (self.levels - 1)

    def has_attention(self, level: int) -> bool:
        """Whether `level` has attention, on the way or (the last one) in the middle."""
        return self.depths[level] > 0 or (level == self.levels - 1 and self.mid_depth > 0)

    def heads_at(self, level: int) -> int:
        """Attention heads at `level`."""
        if self.heads is not None:
            return self.heads[level]
        assert self.head_width is not None
        if self.channels[level] % self.head_width:
            raise ConfigError(
                f"Level {level} has {self.channels[level]} channels, which do not split into heads of {self.head_width}."
            )
        return self.channels[level] // self.head_width
