"""Samplers: one file per solver, each `init(...) -> state` and `step(state, denoise) -> state` over an explicit state."""
