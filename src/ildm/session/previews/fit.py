"""Fit a preview to samples of a model, and say how good it is on some that it has not seen."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Literal

from ildm.core.errors import ConfigError, DataError
from ildm.core.progress import Progress
from ildm.core.types import Latent
from ildm.session.preview import FittedPreview, fidelity, fit_linear
from ildm.session.previews.samples import Samples
from ildm.session.previews.tiny_decoder import TinyDecoderConfig, distil

Kind = Literal["linear", "tiny"]
_HELD_OUT = 8  # one in so many
_TIMED = 20


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted preview and its measures.

    Args:
        preview: ready to be used.
        psnr: of the enlarged preview beside the model's decoder, mean over held-out images, dB.
        linear_psnr: the same of a linear preview fitted to the same samples.
        r_squared: the share of the variance of the averaged images that the linear preview explains.
        milliseconds: a preview takes, median.
        fitted_to: how many samples.
    """

    preview: FittedPreview
    psnr: float
    linear_psnr: float
    r_squared: float
    milliseconds: float
    fitted_to: int


def fit_preview(samples: Samples, stride: int, *, kind: Kind, steps: int, progress: Progress | None = None) -> Fit:
    """Fit a preview to seven eighths of the samples and measure it on the rest.

    Args:
        stride: image pixels per latent cell and side; a tiny decoder makes half as many, 8 at most.
        steps: of the distillation, for a tiny decoder, >= 1.
        progress: called after each of them with (done, all).

    Raises:
        DataError: for fewer than two samples.
        ConfigError: when a tiny decoder came out no better than a linear one.
    """
    count = len(samples.latents)
    if count < 2:
        raise DataError(f"A preview is fitted to two images or more, of which one is held out, but {count} came.")
    fitted, held_out = samples.split(max(1, count // _HELD_OUT))
    linear, explained = fit_linear(fitted.latents, fitted.images)
    preview: FittedPreview = linear.to(samples.latents.device)
    psnr = linear_psnr = fidelity(preview, held_out.latents, held_out.images)
    if kind == "tiny":
        config = TinyDecoderConfig(channels=samples.latents.shape[1], scale=min(8, max(1, stride // 2)))
        preview = distil(fitted.latents, fitted.images, config=config, steps=steps, progress=progress)
        psnr = fidelity(preview, held_out.latents, held_out.images)
        if psnr <= linear_psnr:
            raise ConfigError(
                f"After {steps} steps the tiny decoder ({psnr:.1f} dB) is no better than a linear preview ({linear_psnr:.1f} dB): "
                "give it more steps, or take the linear kind."
            )
    return Fit(
        preview=preview,
        psnr=psnr,
        linear_psnr=linear_psnr,
        r_squared=explained,
        milliseconds=_time(preview, held_out.latents[:1]),
        fitted_to=len(fitted.latents),
    )


def _time(preview: FittedPreview, latent: Latent) -> float:
    took: list[float] = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        preview(latent).cpu()
        took.append(1000 * (time.perf_counter() - began))
    return statistics.median(took)
