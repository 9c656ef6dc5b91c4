"""Measuring a model: sets of images, metrics that look at them, and a report that says how it was done."""
