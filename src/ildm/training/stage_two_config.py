"""How stage two is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ildm.core.errors import ConfigError
from ildm.core.seeds import check_seed
from ildm.diffusion.path import AnyPath, LinearInterpolation
from ildm.diffusion.prediction import Prediction
from ildm.diffusion.weighting import LossWeighting, TimeDistribution
from ildm.training.loop import LoopConfig
from ildm.training.optimizer import OptimizerConfig
from ildm.training.precision import Precision


@dataclass(frozen=True, kw_only=True)
class StageTwoConfig:
    """How the denoiser is trained.

    Args:
        loop: length and records.
        optimizer: of the U-Net and the text encoder.
        path: from data to noise.
        prediction: what the network learns to say.
        times: where training times are drawn.
        weighting: how much each time counts.
        dropout: share of captions replaced by the empty one.
        batch_size: latents per step, of all processes together.
        precision: of the forward pass; weights stay float32.
        ema_decay: of the weights that are sampled and exported.
        alignment: how much it counts that the network can name what lies where; 0 = not at all. It needs data with maps.
        grounding: how much it counts that each place looks at the words for what lies there; 0 = not at all. It needs layouts, or captions
            of things that maps show.
        placing: how much it counts that the words for a thing say where it lies; 0 = not at all. It needs what grounding does.
        in_places: share of the steps in which each thing's words are read only where it lies, as those of painted regions are, see
            `ildm.training.in_places`; 0 = none. It needs captions of things that maps show. Nothing is grounded or placed in them.
        helped: two shares of the steps: up to the first, alignment and grounding count in full, from the second on not at all, and in
            between less and less. Kept for long, they are what leads a training astray.
        seed: of noise, times, dropout and data order.
    """

    loop: LoopConfig
    optimizer: OptimizerConfig = OptimizerConfig(learning_rate=5e-4, weight_decay=0.01, warmup_steps=500)
    path: AnyPath = LinearInterpolation()
    prediction: Prediction = "velocity"
    times: TimeDistribution = TimeDistribution(kind="logit-normal")
    weighting: LossWeighting = LossWeighting()
    dropout: float = 0.1
    batch_size: int = 64
    precision: Precision = "bfloat16"
    ema_decay: float = 0.9995
    alignment: float = 0.0
    grounding: float = 0.0
    placing: float = 0.0
    in_places: float = 0.0
    helped: tuple[float, float] = (1.0, 1.0)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0.0 <= self.dropout <= 1.0 or not 0.0 <= self.ema_decay < 1.0:
            raise ConfigError(
                "Stage two takes a batch_size of at least 1, a dropout in [0, 1] and an ema_decay in [0, 1), but "
                f"{self.batch_size}, {self.dropout} and {self.ema_decay} were given."
            )
        check_seed(self.seed)
        for key in ("alignment", "grounding", "placing"):
            if not 0.0 <= getattr(self, key) < math.inf:
                raise ConfigError(f"stage_two.{key} is a weight of at least 0, but {getattr(self, key)} was given: try 0.1.")
        if not 0.0 <= self.in_places <= 1.0:
            raise ConfigError(
                f"stage_two.in_places is a share of the steps in [0, 1], but {self.in_places} was given: try 0.4."
            )
        if not 0.0 <= self.helped[0] <= self.helped[1] <= 1.0:
            raise ConfigError(
                "stage_two.helped takes two shares in [0, 1], the smaller one first, but "
                f"{self.helped[0]} and {self.helped[1]} were given: try 0.25 and 0.5."
            )

    def help_at(self, progress: float) -> float:
        """What alignment and grounding are multiplied by after this share of the steps."""
        full, none = self.helped
        if progress < full or full == 1.0:
            return 1.0
        return (none - progress) / (none - full) if progress < none else 0.0

    def learned(self, helped: float, *, in_places: bool = False) -> tuple[str, ...]:
        """The names of what a step teaches beside denoising, see `ildm.training.auxiliary.AuxiliaryCosts`.

        Args:
            helped: see `help_at`.
            in_places: whether words are read only where their things lie.
        """
        bound = 0.0 if in_places else 1.0
        weights = {
            "naming": helped * self.alignment,
            "grounding": bound * helped * self.grounding,
            "placing": bound * self.placing,
        }
        return tuple(name for name, weight in weights.items() if weight > 0.0)
