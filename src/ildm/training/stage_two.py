"""Stage two: the U-Net and the text encoder learn together to denoise latents (Rombach 2022, eq. 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from PIL import Image as PILImage

from ildm.core.errors import ConfigError
from ildm.core.randomness import generator, step_stream
from ildm.training.auxiliary import Auxiliary, nothing_to_ground
from ildm.training.denoising import CaptionedLatents, Networks, losses
from ildm.training.ema import EMA
from ildm.training.grounding import Ground
from ildm.training.in_places import InPlaces
from ildm.training.optimizer import Optimizer
from ildm.training.run_state import RunState
from ildm.training.stage_two_config import StageTwoConfig
from ildm.training.task import Metrics
from ildm.training.world import ALONE, World

LatentBatches = Callable[[int], Iterator[CaptionedLatents]]
"""From a data position, batches."""


class StageTwo:
    """A `Task`: one step is one batch of eq. 3.

    Args:
        networks: trained in place.
        batches: the data; where several processes train, this one's part of it.
        draw: makes a sample sheet with the averaged networks.
        export: called with the averaged networks whenever a state was saved.
        num_classes: of the batches' maps, the background among them.
        ground: binds prompts to places; None = nobody can.
        in_places: lets words be read only where their things lie; None = nobody can.
        world: the processes that train together.

    Raises:
        ConfigError: when alignment is asked for and there are no maps, or grounding, placing or words in places and nobody can tell what
            lies where.
    """

    def __init__(
        self,
        config: StageTwoConfig,
        networks: Networks,
        batches: LatentBatches,
        draw: Callable[[Networks], PILImage.Image | None],
        export: Callable[[Networks, RunState], None],
        num_classes: int = 0,
        ground: Ground | None = None,
        in_places: InPlaces | None = None,
        world: World = ALONE,
    ) -> None:
        self.config = config
        self._share = world.share
        self.networks = networks
        self.batches = batches
        self._draw, self._export = draw, export
        if config.in_places and in_places is None:
            raise ConfigError(nothing_to_ground("in_places"))
        self._ground, self._in_places = ground, in_places
        auxiliary = Auxiliary(config, networks.unet.config, num_classes, grounded=ground is not None)
        self.auxiliary = auxiliary.to(next(networks.parameters()).device)
        trained = [*networks.named_parameters(), *self.auxiliary.named_parameters()]
        self._optimizer = Optimizer(trained, config.optimizer, config.loop.steps, world=world)
        self.ema = EMA(networks, config.ema_decay)

    @property
    def batch_size(self) -> int:
        """Latents per step."""
        return self.config.batch_size

    def train_step(self, step: int, batch: CaptionedLatents) -> Metrics:
        """One update on one batch; everything random derives from (seed, step)."""
        random = generator(self.config.seed, step_stream(step))
        helped = self.config.help_at(step / max(1, self.config.loop.steps))
        in_places = self._in_places if self.config.in_places and _happens(self.config.in_places, random) else None
        found = losses(
            self.networks,
            self.config,
            batch,
            random,
            self.auxiliary,
            self._ground,
            in_places,
            helped=helped > 0.0,
            share=self._share,
        )
        norm = self._optimizer.update(found.weighted(self.config, helped), step)
        self.ema.update(self.networks, step)
        learned = self.config.learned(helped, in_places=in_places is not None)
        beside = {name: cost.detach() for name, cost in found.beside._asdict().items() if name in learned}
        return {"loss": found.denoising.detach(), "gradient_norm": norm, **beside}

    def state(self) -> dict[str, Any]:
        """Weights, optimizer and average."""
        return {
            "networks": self.networks.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "ema": self.ema.shadow.state_dict(),
            "auxiliary": self.auxiliary.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go back to what `state` returned."""
        self.networks.load_state_dict(state["networks"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.ema.shadow.load_state_dict(state["ema"])
        self.auxiliary.load_state_dict(state["auxiliary"])

    def sample_sheet(self) -> PILImage.Image | None:
        """A few prompts drawn with the averaged networks."""
        return self._draw(self.ema.shadow)

    def export(self, state: RunState) -> None:
        """Write the averaged networks."""
        self._export(self.ema.shadow, state)

    @property
    def is_sound(self) -> bool:
        """See `judge`."""
        return True

    def judge(self, metrics: dict[str, float]) -> str | None:  # noqa: ARG002
        """A regression does not collapse; a loss that is no number is the loop's concern."""
        return None


def _happens(share: float, random: torch.Generator) -> bool:
    return float(torch.rand((), generator=random)) < share
