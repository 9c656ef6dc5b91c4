"""What a network predicts - noise, velocity or data - and how each follows from another.

With `noised = alpha * data + sigma * noise`, velocity is the path's tangent: `alpha * noise - sigma * data` on the variance
preserving circle (Salimans & Ho 2022), `noise - data` on the straight line (Liu 2022).
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.shapes import per_sample
from ildm.core.types import Latent, Times
from ildm.diffusion.path import Path

Prediction = Literal["epsilon", "velocity", "data"]
Coefficient = Float[Tensor, "batch 1 1 1"]


def target(path: Path, prediction: Prediction, data: Latent, noise: Latent, t: Times) -> Latent:
    """What a network of this kind should have said: the regression target of eq. 2."""
    if prediction == "epsilon":
        return noise
    if prediction == "data":
        return data
    by_data, by_noise = _velocity(path, *_coefficients(path, t, data))
    return by_data * data + by_noise * noise


def data_estimate(path: Path, prediction: Prediction, output: Latent, noised: Latent, t: Times) -> Latent:
    """The data behind `noised`, as the network's `output` sees it.

    Epsilon says nothing about the data where alpha = 0; the result is not finite there.
    """
    if prediction == "data":
        return output
    alpha, sigma = _coefficients(path, t, noised)
    if prediction == "epsilon":
        return (noised - sigma * output) / alpha
    # Solve [alpha sigma; by_data by_noise] [data; noise] = [noised; output] for the data.
    by_data, by_noise = _velocity(path, alpha, sigma)
    return (by_noise * noised - sigma * output) / (alpha * by_noise - sigma * by_data)


def noise_estimate(path: Path, data: Latent, noised: Latent, t: Times) -> Latent:
    """The noise in `noised` when `data` is what it hides; not finite where sigma = 0."""
    alpha, sigma = _coefficients(path, t, noised)
    return (noised - alpha * data) / sigma


def convert(path: Path, output: Latent, noised: Latent, t: Times, *, source: Prediction, to: Prediction) -> Latent:
    """Say the same thing in another kind of prediction."""
    if source == to:
        return output
    alpha, sigma = _coefficients(path, t, noised)
    by_data, by_noise = _velocity(path, alpha, sigma)
    if to == "data":
        return data_estimate(path, source, output, noised, t)
    if source == "epsilon":
        # through the noise, so that nothing is divided by sigma on the way
        data = (noised - sigma * output) / alpha
        return by_data * data + by_noise * output
    if source == "velocity":
        # the other row of the same 2 x 2 system
        return (alpha * output - by_data * noised) / (alpha * by_noise - sigma * by_data)
    noise = (noised - alpha * output) / sigma
    return noise if to == "epsilon" else by_data * output + by_noise * noise


def _coefficients(path: Path, t: Times, like: Tensor) -> tuple[Coefficient, Coefficient]:
    alpha, sigma = path.alpha(t), path.sigma(t)
    return per_sample(alpha.to(like), like), per_sample(sigma.to(like), like)


def _velocity(path: Path, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """The velocity's coefficients of data and of noise."""
    if path.kind == "linear-interpolation":
        return -alpha.new_ones(alpha.shape), alpha.new_ones(alpha.shape)
    if path.kind == "variance-preserving":
        return -sigma, alpha
    raise ConfigError(f"Velocity is not defined for the path {path.kind!r}: predict epsilon or data.")
