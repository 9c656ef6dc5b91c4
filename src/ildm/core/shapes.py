"""Small questions about shapes, answered the same way everywhere."""

from __future__ import annotations

from torch import Tensor

from ildm.core.errors import ShapeError


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """View (batch,) values so that they broadcast over (batch, ...) tensors."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def check_size(width: int, height: int, multiple: int, *, long: int | None = None, finer: int = 1) -> None:
    """Check that an image size, in pixels, can be brought to the size of a network's smallest grid.

    Args:
        multiple: what both sides are positive multiples of.
        long: sides above it need only be multiples of `finer`; None = there are no such sides.

    Raises:
        ShapeError: when either side does not fit; the message names sizes nearby that do.
    """

    def fits(side: int) -> bool:
        return side > 0 and (side % multiple == 0 or (long is not None and side > long and side % finer == 0))

    def around(side: int) -> tuple[int, int]:
        if fits(side):
            return side, side
        step = multiple if long is None or side <= long else finer
        below = max(step, side // step * step)
        return below, max(below, -(-side // step) * step)

    if fits(width) and fits(height):
        return
    sizes = dict.fromkeys(f"{wide}x{high}" for wide, high in zip(around(width), around(height), strict=True))
    longer = "" if long is None else f", those above {long} of {finer}"
    raise ShapeError(
        f"A size of {width}x{height} pixels, width by height, was given, but this model needs both sides to be positive multiples of "
        f"{multiple}{longer}: try {' or '.join(sizes)}."
    )
