"""Where a run stands, as one immutable value. Pausing, rewinding, branching and replaying are operations on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor

from ildm.core.errors import ProtocolError
from ildm.core.randomness import SeedAreas
from ildm.core.types import Latent, Memory, Times
from ildm.diffusion.schedule import Schedule

Denoise = Callable[[Latent, Times], Latent]
"""A denoiser with its conditioning filled in: (noised, t) -> data estimate."""


@runtime_checkable
class Remembering(Protocol):
    """A denoise whose answer depends on its earlier ones, such as guidance with momentum. It keeps nothing: the state does."""

    def __call__(self, noised: Latent, t: Times) -> Latent:
        """The data estimate with nothing to remember, for denoisers that can do without."""
        ...

    def recall(self, noised: Latent, t: Times, memory: Memory) -> tuple[Latent, Memory]:
        """The data estimate, and what to remember from now on, given what was remembered until now."""
        ...


class Recalled:
    """The calls of one step to a remembering denoise, each handed what the one before left."""

    def __init__(self, denoise: Remembering, memory: Memory) -> None:
        self.denoise, self.memory = denoise, memory

    def __call__(self, noised: Latent, t: Times) -> Latent:
        """The data estimate; the memory moves on."""
        data, self.memory = self.denoise.recall(noised, t, self.memory)
        return data


@dataclass(frozen=True, eq=False)
class SamplerState:
    """A run between two steps.

    Args:
        latent: (batch, channels, height, width), at time `schedule.times[step]`.
        step: how many steps are done.
        schedule: the noise levels of the whole run; it may be exchanged between steps.
        seeds: one per sample. The noise of step k derives from (seed, k), so this is the whole random state.
        estimate: the data estimate of the last step done, for previews and multistep solvers; None at the start.
        history: what else a solver remembers, newest first. Solvers lead on from the latent as it is, where it was changed between
            two steps, too.
        solver: whose history it is; another solver starts without one.
        memory: what a remembering denoise left; empty after a step with any other.
        areas: where the noise of steps comes from other seeds; like what denoises, it is handed in anew for each step and not kept.
    """

    latent: Latent
    step: int
    schedule: Schedule
    seeds: tuple[int, ...]
    estimate: Latent | None = None
    history: tuple[Tensor, ...] = ()
    solver: str = ""
    memory: Memory = ()
    areas: SeedAreas | None = None

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self.step >= self.schedule.num_steps

    def to_bytes(self) -> bytes:
        """The state as safetensors bytes; `from_bytes` gives the same state back, bit for bit."""
        # a multistep solver's newest estimate is the state's own: it is written once
        shared = bool(self.history) and self.history[0] is self.estimate
        schedule = self.schedule
        levels = (schedule.times, schedule.alphas, schedule.sigmas, schedule.shares)
        tensors = {
            "latent": self.latent,
            "levels": torch.stack([one for one in levels if one is not None]),  # (3 or 4, borders)
            "numbers": torch.tensor([self.step, schedule.unit_start, shared, *self.seeds], dtype=torch.int64),
            "solver": torch.tensor(list(self.solver.encode()), dtype=torch.uint8),
        }
        if self.estimate is not None and not shared:
            tensors["estimate"] = self.estimate
        tensors |= {f"history.{index}": part for index, part in enumerate(self.history)}
        tensors |= {f"memory.{index}": part for index, part in enumerate(self.memory)}
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        if any(tensor.dtype == torch.bfloat16 for tensor in whole.values()):
            # copies, because states may share tensors among their parts
            return safetensors.torch.save({name: tensor.clone() for name, tensor in whole.items()})
        # in a fifth of the time, which every step of a live run pays; NumPy knows no bfloat16
        return safetensors.numpy.save({name: tensor.numpy() for name, tensor in whole.items()})

    @classmethod
    def from_bytes(cls, data: bytes, device: torch.device | str = "cpu") -> SamplerState:
        """Read a state that `to_bytes` wrote.

        Raises:
            ProtocolError: when the bytes are not such a state.
        """
        try:
            tensors = safetensors.torch.load(data)
            step, unit_start, shared, *seeds = (int(number) for number in tensors["numbers"])
            times, alphas, sigmas, *shares = (part.clone() for part in tensors["levels"])
            # levels and the like are plain numbers that a solver reads; they stay on the CPU
            history = tuple(part.to(device) if part.ndim == 4 else part for part in _numbered(tensors, "history"))
            estimate = tensors.get("estimate")
            return cls(
                latent=tensors["latent"].to(device),
                step=step,
                schedule=Schedule(times, alphas, sigmas, bool(unit_start), *shares),
                seeds=tuple(seeds),
                estimate=history[0] if shared else None if estimate is None else estimate.to(device),
                history=history,
                solver=bytes(int(byte) for byte in tensors["solver"]).decode(),
                memory=tuple(part.to(device) for part in _numbered(tensors, "memory")),
            )
        except (KeyError, IndexError, ValueError, UnicodeDecodeError, safetensors.SafetensorError) as error:
            raise ProtocolError(f"These {len(data)} bytes are not a saved sampler state ({error}).") from error


def _numbered(tensors: dict[str, Tensor], kind: str) -> list[Tensor]:
    return [tensors[f"{kind}.{index}"] for index in range(sum(name.startswith(f"{kind}.") for name in tensors))]
