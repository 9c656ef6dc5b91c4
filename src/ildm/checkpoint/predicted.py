"""What a network predicts, by what its files say and by what a person says."""

from __future__ import annotations

from typing import get_args

from ildm.core.errors import ConfigError, nearest
from ildm.diffusion.prediction import Prediction


def agreed(stated: Prediction, told: Prediction | None, *, source: str) -> Prediction:
    """The prediction that files state, which nobody may say otherwise: another one draws nothing but black or noise.

    Args:
        told: by a person; None = nothing.
        source: how to call the files in a sentence.

    Raises:
        ConfigError: when the two differ, or `told` is no prediction.
    """
    if told not in (None, *get_args(Prediction)):
        raise ConfigError(f"There is no prediction {told!r}: {nearest(str(told), get_args(Prediction))}")
    if told not in (None, stated):
        raise ConfigError(
            f"{source} says that its network predicts {stated}, but the prediction {told} was given: leave --prediction out, or give "
            f"--prediction {stated}."
        )
    return stated
