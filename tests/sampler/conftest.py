"""An analytic denoiser: the data are a known Gaussian, so every run has an exact answer."""

from dataclasses import dataclass

import pytest
from bare import import_bare

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

    def spread(self, alpha, sigma):
        """The deviation of noised data at (alpha, sigma)."""
        return (alpha**2 * self.deviation**2 + sigma**2) ** 0.5

    def flow(self, latent, alpha, sigma, alpha_end=1.0, sigma_end=0.0):
        """Where the probability flow leads from (alpha, sigma); to the data unless told otherwise."""
        moved = (latent - alpha * self.mean) * self.spread(alpha_end, sigma_end) / self.spread(alpha, sigma)
        return alpha_end * self.mean + moved

    def consistency(self, noised, t):
        """What a perfectly distilled model says: the flow's end."""
        alpha, sigma = (per_sample(value.to(noised), noised) for value in (self.path.alpha(t), self.path.sigma(t)))
        return self.flow(noised, alpha, sigma)


@pytest.fixture(params=PATHS.values(), ids=PATHS.keys())
def gaussian(request):
    return GaussianData(request.param)


@pytest.fixture(scope="session")
def k_diffusion():
    """`k_diffusion.sampling` alone, with stand-ins for the packages that its samplers do not use."""
    without = ("torchdiffeq", "torchsde", "torchvision", "torchvision.transforms")
    return import_bare("k_diffusion.sampling", distribution="k-diffusion", without=without)
