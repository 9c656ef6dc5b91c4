"""Where: every way in which a Python program may say it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from ildm.core.errors import ConfigError
from ildm.session.mask_pictures import mask_of_picture
from ildm.session.wire import Mask

Area = Mask | PILImage.Image | NDArray[Any] | tuple[float, float, float, float]
"""A mask; a picture, white = inside, or where it is transparent its alpha; an array (height, width) in [0, 1]; or a box (left, top, right,
bottom) in fractions."""


def as_mask(area: Area, width: int, height: int) -> Mask:
    """Any way to say where, as a mask.

    Args:
        width, height: of the picture, for boxes.

    Raises:
        ShapeError: when an array is no mask.
        ConfigError: for a box that is none.
    """
    if isinstance(area, Mask):
        return area
    if isinstance(area, tuple | list):
        numbers = len(area) == 4 and all(isinstance(one, int | float) for one in area)
        left, top, right, bottom = area if numbers else (0.0,) * 4
        if not (0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0):
            raise ConfigError(f"A box is (left, top, right, bottom) in rising fractions from 0 to 1, but {area} was given.")
        return Mask.rectangle(width, height, (left, top, right, bottom))
    if isinstance(area, PILImage.Image):
        return mask_of_picture(area)
    if not isinstance(area, np.ndarray):
        raise ConfigError(f"An area is a box, a greyscale picture, an array or a Mask, but {type(area).__name__} came.")
    return Mask.from_array(area)
