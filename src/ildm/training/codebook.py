"""How the codebook of a vector-quantised first stage learns: by gradients or by running averages, and without dead entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ildm.autoencoder.codebook import COMMITMENT, Codes, VQBottleneck
from ildm.core.errors import ConfigError
from ildm.training.task import Metrics
from ildm.training.world import ALONE, World

_SMALLEST = 1e-5


@dataclass(frozen=True, kw_only=True)
class CodebookConfig:
    """How a codebook learns; nothing of it matters to a KL bottleneck.

    Args:
        updates: "gradient", with the other weights; "average", as the running average of the latents that chose each entry
            (van den Oord 2017, appendix A.1).
        commitment: how strongly latents are pulled to their entries, where 1 is how strongly entries are pulled to latents.
        decay: of the running averages, per step.
        revive_every: steps between two looks for dead entries; 0 = they stay dead.
        dead_share: an entry is dead when it is chosen less often than this share of what an even use would be.
    """

    updates: Literal["gradient", "average"] = "gradient"
    commitment: float = COMMITMENT
    decay: float = 0.99
    revive_every: int = 50
    dead_share: float = 0.03

    def __post_init__(self) -> None:
        if self.commitment < 0 or not 0.0 <= self.decay < 1.0 or self.revive_every < 0 or not 0.0 <= self.dead_share < 1.0:
            raise ConfigError(
                "A codebook takes a commitment and revive_every of at least 0, and a decay and a dead_share in [0, 1), but "
                f"{self.commitment}, {self.revive_every}, {self.decay} and {self.dead_share} were given."
            )


class CodebookTraining:
    """Charges for quantising, and moves, revives and watches the entries.

    The first look for dead entries is at the first step, when all of them are: the codebook begins as latents of the first batch.

    Args:
        bottleneck: its codebook is changed in place.
        average: the same of the smoothed weights: an entry that has become another one has no average yet.
        world: the processes whose latents choose from the same codebook.
    """

    def __init__(self, bottleneck: VQBottleneck, average: VQBottleneck, config: CodebookConfig, world: World = ALONE) -> None:
        self.config = config
        self._world = world
        self._codebook, self._average = bottleneck.codebook, average.codebook
        weight = bottleneck.codebook.weight
        self.counts: Float[Tensor, " size"] = torch.zeros(len(weight), device=weight.device)
        self.sums: Float[Tensor, "size channels"] = torch.zeros_like(weight.detach())

    @property
    def by_gradient(self) -> bool:
        """Whether the optimizer moves the entries."""
        return self.config.updates == "gradient"

    def penalty(self, codes: Codes) -> Float[Tensor, " batch"]:
        """What the bottleneck charges for each sample."""
        return codes.penalty(commitment=self.config.commitment, moves_entries=self.by_gradient)

    @torch.no_grad()
    def update(self, codes: Codes, step: int, random: torch.Generator) -> None:
        """Take a step's latents in, after the optimizer's update and that of the smoothed weights.

        Args:
            step: from 0.
            random: chooses what dead entries become.
        """
        size, channels = self._codebook.weight.shape
        cells = codes.latent.detach().float().movedim(1, -1).reshape(-1, channels)
        chosen = codes.indices.flatten()
        # the share of the averages that is there yet: without it the first steps would count for next to nothing
        decay = min(self.config.decay, (1 + step) / (10 + step))
        counts = torch.bincount(chosen, minlength=size).to(self.counts)
        sums = torch.zeros_like(self.sums).index_add_(0, chosen, cells.to(self.sums))
        self.counts.lerp_(self._world.total(counts), 1.0 - decay)
        self.sums.lerp_(self._world.total(sums), 1.0 - decay)
        if not self.by_gradient:
            used = self.counts > _SMALLEST
            self._codebook.weight[used] = self.sums[used] / self.counts[used, None]
        if self.config.revive_every and step % self.config.revive_every == 0:
            self._revive(self._world.gather(cells), step, random)

    def metrics(self) -> Metrics:
        """How the codebook is used: `perplexity` of the running averages, between 1 and its size, and the share of its entries in use."""
        shares = self.counts / self.counts.sum().clamp_min(_SMALLEST)
        return {
            "perplexity": torch.exp(-torch.xlogy(shares, shares).sum()),
            "usage": (self.counts > self.config.dead_share * self.counts.mean()).float().mean(),
        }

    def state(self) -> dict[str, Any]:
        """The running averages."""
        return {"counts": self.counts, "sums": self.sums}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.counts.copy_(state["counts"])
        self.sums.copy_(state["sums"])

    def _revive(self, cells: Float[Tensor, "cells channels"], step: int, random: torch.Generator) -> None:
        """Put latents of this step, chosen by chance, in the place of dead entries; the deadest first where there are too few."""
        even = self.counts.mean()
        order = self.counts.argsort()
        is_dead = (self.counts[order] < self.config.dead_share * even) if step else torch.ones_like(order, dtype=torch.bool)
        dead = order[is_dead][: len(cells)]
        picked = cells[torch.randperm(len(cells), generator=random)[: len(dead)].to(cells.device)]
        for codebook in (self._codebook, self._average):
            codebook.weight[dead] = picked.to(codebook.weight)
        # as if it were used as often as the others, so that it gets a chance before the next look
        self.counts[dead] = even
        self.sums[dead] = even * picked.to(self.sums)


def codebook_training(
    bottleneck: nn.Module, average: nn.Module, config: CodebookConfig, world: World
) -> CodebookTraining | None:
    """The training of a bottleneck's codebook; None where it has none."""
    if isinstance(bottleneck, VQBottleneck) and isinstance(average, VQBottleneck):
        return CodebookTraining(bottleneck, average, config, world)
    return None
