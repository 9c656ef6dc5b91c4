"""An analytic denoiser: the data are a known Gaussian, so every run has an exact answer."""

from dataclasses import dataclass

import pytest

from ildm.core.shapes import per_sample
from ildm.diffusion.path import LinearInterpolation, VariancePreserving

PATHS = {"variance-preserving": VariancePreserving(), "linear": LinearInterpolation()}


@dataclass
class GaussianData:
    """Data ~ N(mean, deviation^2) on a path; the posterior mean and the flow's end are known in closed form."""

    path: object
    mean: float = 0.7
    deviation: float = 0.4

    def __call__(self, noised, t):
        alpha, sigma = (per_sample(value.to(noised), noised) for value in (self.path.alpha(t), self.path.sigma(t)))
        gain = alpha * self.deviation**2 / (alpha**2 * self.deviation**2 + sigma**2)
        return self.mean + gain * (noised - alpha * self.mean)

    def exact_end(self, latent, alpha, sigma):
        """Where the probability flow leads from (alpha, sigma)."""
        spread = (alpha**2 * self.deviation**2 + sigma**2) ** 0.5
        return self.mean + (latent - alpha * self.mean) * self.deviation / spread


@pytest.fixture(params=PATHS.values(), ids=PATHS.keys())
def gaussian(request):
    return GaussianData(request.param)
