"""Options that several commands share, each with its bounds, so that a slip of the finger fills neither memory nor disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, cast, get_args

import typer

from ildm.core.bounds import MAX_SIDE
from ildm.core.errors import ConfigError, nearest

_KnownPrediction = Literal["epsilon", "velocity", "data"]

MAX_STEPS = 1000  # as many noise levels as the published models know
MAX_GUIDANCE = 100.0
MAX_COUNT = 10_000

NumSteps = Annotated[
    int | None, typer.Option(min=1, max=MAX_STEPS, help=f"Denoising steps, {MAX_STEPS} at most.", show_default="the model's")
]
GuidanceScale = Annotated[
    float | None,
    typer.Option(
        min=0.0, max=MAX_GUIDANCE, help="How strongly to follow the words; 1 = as they are.", show_default="the model's"
    ),
]
Side = Annotated[int | None, typer.Option(min=1, max=MAX_SIDE, help=f"Pixels, {MAX_SIDE} at most.", show_default="the model's")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, ...", show_default="a GPU when there is one")]
DType = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.", show_default="the device's default")]

Prediction = Annotated[
    str | None,
    typer.Option(help="What the network predicts, where its files do not say: epsilon, velocity or data.", show_default="read"),
]

Vae = Annotated[Path | None, typer.Option(help="An autoencoder to use in place of the model's.")]
UNet = Annotated[Path | None, typer.Option(help="A file with a U-Net alone, to use in place of the model's.")]


def check_prediction(given: str | None) -> _KnownPrediction | None:
    """The value of --prediction.

    Raises:
        ConfigError: for any other word.
    """
    if given is not None:
        check_choice("--prediction", given, get_args(_KnownPrediction))
    return cast("_KnownPrediction | None", given)


def check_choice(option: str, given: str, choices: Sequence[str]) -> None:
    """Check the value of an option that takes one of a few words.

    Raises:
        ConfigError: for any other word (nearest match named).
    """
    if given not in choices:
        raise ConfigError(f"{option} takes one of {', '.join(choices)}, but {given!r} was given: {nearest(given, choices)}")
