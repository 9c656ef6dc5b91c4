"""An analytic denoiser: the data are a known Gaussian, so every run has an exact answer."""

import importlib
import importlib.machinery
import importlib.util
import os
import sys
import warnings
from dataclasses import dataclass
from types import ModuleType

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
    spec = importlib.util.find_spec("k_diffusion")
    if spec is None:
        missing = "k-diffusion is not installed: `pip install --no-deps k-diffusion` to compare with its samplers."
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    package = ModuleType("k_diffusion")  # without running its own __init__, which imports all of it
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    stand_ins = {"k_diffusion": package} | {name: stand_in(name) for name in ("torchdiffeq", "torchsde", "torchvision")}
    stand_ins["torchdiffeq"].odeint = None
    stand_ins["torchvision.transforms"] = stand_in("torchvision.transforms")
    stand_ins["torchvision.transforms"].functional = None
    before = dict(sys.modules)
    sys.modules.update(stand_ins)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module("k_diffusion.sampling")
    finally:
        for name in stand_ins:
            if name in before:
                sys.modules[name] = before[name]
            else:
                del sys.modules[name]


def stand_in(name):
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    return module
