"""How regions of one picture act together."""

from __future__ import annotations

from typing import Literal

Overlap = Literal["normalise", "add", "z-order"]
"""Who rules where regions lie on each other: all, in proportion; all, in sum; or the upper one by how opaque it is."""

Mode = Literal["attention", "latent"]
"""How regions are drawn: one pass in which each position attends to its own prompts, or one estimate for each prompt, mixed."""
