"""Training: one loop, two stages, and everything that lets a run stop at any moment and go on exactly."""
