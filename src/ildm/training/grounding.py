"""Grounding: while it learns to denoise, each place's cross-attention learns to look at the words for what lies there.

After TokenCompose (Wang 2023), which holds each word's attention to a mask of its thing; here it is the likelihood of the attention of
every place. Weights are bound to places from the first steps on, where eq. 3 alone finds them late.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from ildm.conditioning.conditioner import Conditioner
from ildm.conditioning.grounding import NOTHING, Grounding
from ildm.conditioning.layout import LayoutConditioner
from ildm.conditioning.text import TextConditioner
from ildm.core.masks import Grid
from ildm.data.mentions import Mentions
from ildm.denoiser.attended import attention_shares

Ground = Callable[[Sequence[str], Int[Tensor, "batch height width"] | None, Grid], Grounding]
"""From the prompts of a batch, their latents' maps and the latents' (height, width)."""

_SURE = 1e-6  # shares of attention below it teach no more


def grounds(conditioner: Conditioner | None, mentions: Mentions | None) -> Ground | None:
    """How what a network is told is bound to places: the boxes of layouts, or the words of captions and maps; None where it cannot be.

    Args:
        mentions: finds in captions the numbers of maps; None where nobody knows what they stand for.
    """
    if isinstance(conditioner, LayoutConditioner):
        return lambda prompts, _, grid: conditioner.ground(prompts, grid)
    if not isinstance(conditioner, TextConditioner) or mentions is None:
        return None

    def ground(prompts: Sequence[str], maps: Tensor | None, _: Grid) -> Grounding:
        assert maps is not None
        found = [mentions.find(prompt, present.unique().tolist()) for prompt, present in zip(prompts, maps, strict=True)]
        return Grounding(conditioner.named(prompts, found), maps)

    return ground


class GroundingLoss:
    """How badly the cross-attentions that it is shown look at the words for what lies at each place.

    The negative log-likelihood of looking at any token of the right name, in nats, mean over the attentions; the places of things and
    those of nothing weigh the same. A sample without a named thing costs nothing.
    """

    def __init__(self, grounding: Grounding) -> None:
        tokens, cells = grounding
        self._same = (tokens[:, :, None] == tokens[:, None, :]).float()  # (B, T, T)
        self._filled = (cells[:, None] == tokens[:, :, None, None]).float()  # (B, T, h, w)
        self._filled = self._filled / self._same.sum(dim=2)[..., None, None]  # each name counts once
        self._thing = (tokens > NOTHING).float()[..., None]  # (B, T, 1)
        self._told = (self._filled.flatten(2) * self._thing).sum(dim=(1, 2)) > 0  # (B,)
        self._losses: list[Float[Tensor, " batch"]] = []

    def see(self, query: Tensor, key: Tensor, mask: Tensor | None, grid: Grid) -> None:
        """Judge one cross-attention; see `Watcher.see`."""
        # behind the words may be what a hint says, to which a place may look as much as it likes
        shares = attention_shares(query, key, mask)[..., : self._same.shape[1]].float()  # (B, N, T)
        named = (shares @ self._same) / shares.sum(dim=-1, keepdim=True).clamp(min=_SURE)  # (B, N, T)
        likely = named.clamp(min=_SURE).log().mT  # (B, T, N)
        filled = F.adaptive_avg_pool2d(self._filled, grid).flatten(2)  # (B, T, N)
        halves = (filled * kind for kind in (self._thing, 1.0 - self._thing))
        weights = sum(half / half.sum(dim=(1, 2), keepdim=True).clamp(min=_SURE) for half in halves)
        self._losses.append(-0.5 * (weights * likely).sum(dim=(1, 2)))

    def mean(self) -> Float[Tensor, ""]:
        """Over the batch and all attentions that were seen."""
        return torch.where(self._told, torch.stack(self._losses).mean(dim=0), 0.0).mean()
