"""A whole run: a loop over `step`."""

from __future__ import annotations

from ildm.sampler.base import Sampler
from ildm.sampler.state import Denoise, SamplerState


def run(sampler: Sampler, state: SamplerState, denoise: Denoise) -> SamplerState:
    """Step until no step is left."""
    while not state.done:
        state = sampler.step(state, denoise)
    return state
