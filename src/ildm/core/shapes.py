"""Small questions about shapes, answered the same way everywhere."""

from __future__ import annotations

from torch import Tensor

from ildm.core.errors import ShapeError


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """View (batch,) values so that they broadcast over (batch, ...) tensors."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def check_size(width: int, height: int, stride: int) -> None:
    """Check that an image size fits a latent grid.

    Raises:
        ShapeError: when either side is not a positive multiple of `stride`; the message names the nearest that is.
    """
    if width > 0 and height > 0 and width % stride == 0 and height % stride == 0:
        return
    nearest_width, nearest_height = (max(stride, round(side / stride) * stride) for side in (width, height))
    raise ShapeError(
        f"A size of {width}x{height} was given, but this model needs both sides to be positive multiples of {stride}: "
        f"try {nearest_width}x{nearest_height}."
    )
