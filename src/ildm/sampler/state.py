"""Where a run stands, as one immutable value. Pausing, rewinding, branching and replaying are operations on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import safetensors.torch
import torch
from torch import Tensor

from ildm.core.errors import ProtocolError
from ildm.core.types import Latent, Times
from ildm.diffusion.schedule import Schedule

Denoise = Callable[[Latent, Times], Latent]
"""A denoiser with its conditioning filled in: (noised, t) -> data estimate."""


@dataclass(frozen=True, eq=False)
class SamplerState:
    """A run between two steps.

    Args:
        latent: (batch, channels, height, width), at time `schedule.times[step]`.
        step: how many steps are done.
        schedule: the noise levels of the whole run; it may be exchanged between steps.
        seeds: one per sample. The noise of step k derives from (seed, k), so this is the whole random state.
        estimate: the data estimate of the last step done, for previews and multistep solvers; None at the start.
        history: what else a solver remembers, newest first.
    """

    latent: Latent
    step: int
    schedule: Schedule
    seeds: tuple[int, ...]
    estimate: Latent | None = None
    history: tuple[Tensor, ...] = ()

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.schedule.num_steps

    def to_bytes(self) -> bytes:
        """The state as safetensors bytes; `from_bytes` gives the same state back, bit for bit."""
        tensors = {
            "latent": self.latent,
            "times": self.schedule.times,
            "alphas": self.schedule.alphas,
            "sigmas": self.schedule.sigmas,
            "seeds": torch.tensor(self.seeds, dtype=torch.int64),
            "step": torch.tensor(self.step, dtype=torch.int64),
        }
        if self.estimate is not None:
            tensors["estimate"] = self.estimate
        tensors |= {f"history.{index}": part for index, part in enumerate(self.history)}
        # copies, because a path may share one tensor between times and sigmas, and a solver between estimate and history
        return safetensors.torch.save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})

    @classmethod
    def from_bytes(cls, data: bytes, device: torch.device | str = "cpu") -> SamplerState:
        """Read a state that `to_bytes` wrote.

        Raises:
            ProtocolError: when the bytes are not such a state.
        """
        try:
            tensors = safetensors.torch.load(data)
            schedule = Schedule(tensors["times"], tensors["alphas"], tensors["sigmas"])
            history = [tensors[f"history.{index}"] for index in range(sum(name.startswith("history.") for name in tensors))]
            estimate = tensors.get("estimate")
            return cls(
                latent=tensors["latent"].to(device),
                step=int(tensors["step"]),
                schedule=schedule,
                seeds=tuple(int(seed) for seed in tensors["seeds"]),
                estimate=None if estimate is None else estimate.to(device),
                # levels and the like are plain numbers that a solver reads; they stay on the CPU
                history=tuple(part.to(device) if part.ndim == 4 else part for part in history),
            )
        except (KeyError, safetensors.SafetensorError) as error:
            raise ProtocolError(f"These {len(data)} bytes are not a saved sampler state ({error}).") from error
