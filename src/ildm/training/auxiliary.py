"""What stage two learns beside denoising, so that words are bound to things and places early. Nothing of it is left in the model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ildm.conditioning.grounding import Grounding
from ildm.core.errors import ConfigError
from ildm.denoiser.config import UNetConfig
from ildm.training.alignment import SemanticHead, naming_loss
from ildm.training.grounding import GroundingLoss
from ildm.training.placing import PlacingHead, placing_loss
from ildm.training.stage_two_config import StageTwoConfig

NO_MAPS = "stage_two.alignment needs data with semantic maps, but these have none: set it to 0."


def nothing_to_ground(key: str) -> str:
    """What is said where nobody knows which words are for what lies where."""
    needed = "captions and maps of EmojiScenes" if key == "in_places" else "layouts, or captions and maps of EmojiScenes"
    return (
        f"stage_two.{key} needs {needed}, but from this data nobody can tell which words are for what lies where: set it to 0."
    )


class AuxiliaryCosts(NamedTuple):
    """What one batch costs beside denoising. What is not asked for costs 0.

    Args:
        naming: how badly the network names what lies where, see `ildm.training.alignment`.
        grounding: how badly it looks at the words for what lies where, see `ildm.training.grounding`.
        placing: how badly words say where their things lie, see `ildm.training.placing`.
    """

    naming: Float[Tensor, ""]
    grounding: Float[Tensor, ""]
    placing: Float[Tensor, ""]


class Auxiliary(nn.Module):
    """What is learned beside denoising, and the heads that are trained for it.

    Args:
        graph: of the denoiser.
        num_classes: of the data's maps, the background among them.
        grounded: whether anybody can tell which words are for what lies where.

    Raises:
        ConfigError: when alignment is asked for and there are no maps, or grounding or placing and nobody can tell.
    """

    def __init__(self, config: StageTwoConfig, graph: UNetConfig, num_classes: int = 0, *, grounded: bool = False) -> None:
        super().__init__()
        if config.alignment and num_classes < 2:
            raise ConfigError(NO_MAPS)
        for key in ("grounding", "placing"):
            if getattr(config, key) and not grounded:
                raise ConfigError(nothing_to_ground(key))
        self._attends = bool(config.grounding)
        self.naming = SemanticHead(graph.channels[min(1, graph.levels - 1)], num_classes) if config.alignment else None
        self.placing = PlacingHead(graph.context_width or 0) if config.placing else None

    @property
    def is_grounded(self) -> bool:
        """Whether it has to be told which words are for what lies where."""
        return self._attends or self.placing is not None

    def lesson(
        self, grounding: Grounding | None, maps: Int[Tensor, "batch height width"] | None, *, helped: bool = True
    ) -> Lesson:
        """What one batch can teach.

        Args:
            grounding: which words are for what lies where; None = nothing is grounded or placed.
            maps: the class of every cell; needed for naming.
            helped: whether naming and grounding count at all.
        """
        watch = GroundingLoss(grounding) if self._attends and helped and grounding is not None else None
        return Lesson(self.naming if helped else None, self.placing, grounding, maps, watch)


class Lesson(NamedTuple):
    """What one batch can teach beside denoising.

    Args:
        watch: is to be shown the cross-attentions.
    """

    naming: SemanticHead | None
    placing: PlacingHead | None
    grounding: Grounding | None
    maps: Tensor | None
    watch: GroundingLoss | None

    def costs(
        self, inner: Float[Tensor, "batch channels height width"], context: Float[Tensor, "batch tokens features"] | None
    ) -> AuxiliaryCosts:
        """What has not been learned yet.

        Args:
            inner: see `ildm.denoiser.unet.UNet.look_inside`.
            context: that was attended to, the words first.
        """
        naming = grounding = placing = torch.zeros((), device=inner.device)
        if self.naming is not None:
            assert self.maps is not None
            naming = naming_loss(self.naming(inner), self.maps).mean()
        if self.watch is not None:
            grounding = self.watch.mean()
        if self.placing is not None and self.grounding is not None:
            assert context is not None
            placing = placing_loss(self.placing(context[:, : self.grounding.tokens.shape[1]]), self.grounding).mean()
        return AuxiliaryCosts(naming, grounding, placing)
