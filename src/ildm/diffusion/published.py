"""How published models want their schedules laid out, which depends on the sampler too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ildm.diffusion.schedule import Convention

Manner = Literal["ddim", "ddpm", "euler", "dpm-solver", "lcm"]
"""Whose published implementation a sampler's schedules are laid out like."""

_SPACING: dict[Manner, str] = {
    "ddim": "leading",
    "ddpm": "leading",
    "euler": "linspace",
    "dpm-solver": "linspace",
    "lcm": "lcm",
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """A model's settings for all samplers, as diffusers words them.

    Args:
        spacing: "leading", "trailing" or "linspace"; None = each sampler's own usual one.
        steps_offset: added to "leading" timesteps.
        set_alpha_to_one: whether DDIM and PLMS end at clean data, or else at the first timestep's level.
        final_sigma_zero: the same for Euler, DPM-Solver and their like.
        karras: whether Euler, DPM-Solver and their like replace the spacing's levels by Karras', each in its way.
        original_steps: of how many timesteps LCM chooses its own.
    """

    spacing: Literal["leading", "trailing", "linspace"] | None = None
    steps_offset: int = 0
    set_alpha_to_one: bool = True
    final_sigma_zero: bool = True
    karras: bool = False
    original_steps: int = 50

    def layout(self, manner: Manner) -> tuple[str, Convention]:
        """The spacing and its details for a sampler of that manner."""
        spacing = _SPACING[manner] if self.spacing is None or manner == "lcm" else self.spacing
        if manner == "lcm":
            return spacing, Convention(original_steps=self.original_steps, unit_start=True)
        in_sigma, by_borders = manner == "euler", manner == "dpm-solver"
        ends = {"ddim": self.set_alpha_to_one, "ddpm": True}.get(manner, self.final_sigma_zero)
        return spacing, Convention(
            steps_offset=self.steps_offset if spacing == "leading" else None,
            laid_over="borders" if by_borders else None,
            whole_timesteps=spacing == "linspace" and not in_sigma,
            karras=self.karras and (in_sigma or by_borders),
            ends_at_data=ends,
            # in sigma a run starts at the first level's own deviation, but on "leading" at sqrt(1 + sigma^2), which is 1 here
            unit_start=not in_sigma or spacing == "leading",
        )
