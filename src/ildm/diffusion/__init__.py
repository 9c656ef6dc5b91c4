"""Diffusion's mathematics, without networks: paths from data to noise, schedules of steps, predictions, weightings."""
