"""The one bridge from a network to a `Denoiser`: any prediction, either path, in and out of the network's number format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ildm.core.types import Conditioning, Latent, Times
from ildm.denoiser.references import noise_references
from ildm.diffusion.path import Path
from ildm.diffusion.prediction import Prediction, data_estimate

Network = Callable[[Tensor, Tensor, Conditioning], Tensor]
"""(noised, network time, conditioning) -> prediction."""


@dataclass(frozen=True)
class Preconditioned:
    """A network as a `Denoiser` (eq. 2, solved for the data).

    Args:
        network: takes (noised, network time (batch,), conditioning) and predicts as `prediction` says; references are noised for
            it.
        path: the path it was trained on.
        prediction: what it predicts.
    """

    network: Network
    path: Path
    prediction: Prediction

    def __call__(self, noised: Latent, t: Times, conditioning: Conditioning) -> Latent:
        """The data estimate, in the number format of `noised`."""
        time = self.path.network_time(t).to(noised.device, noised.dtype)
        output = self.network(noised, time, noise_references(self.path, conditioning, t, noised))
        return data_estimate(self.path, self.prediction, output.to(noised.dtype), noised, t)
