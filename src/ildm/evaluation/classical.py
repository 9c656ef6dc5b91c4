"""What programs that learn nothing do: enlarge by a filter, fill holes from the rim."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image as PILImage
from torch import Tensor

from ildm.core.errors import ConfigError
from ildm.core.picture import from_picture

Filling = Literal["Telea", "Navier-Stokes"]
FILLINGS: tuple[Filling, ...] = ("Telea", "Navier-Stokes")
FILTERS = {"bicubic": PILImage.Resampling.BICUBIC, "Lanczos": PILImage.Resampling.LANCZOS}
RADIUS = 3.0
"""How far OpenCV looks around each pixel that it fills, in pixels."""


def enlarge(picture: PILImage.Image, side: int, name: str) -> UInt8[Tensor, "3 side side"]:
    """A small picture at `side` pixels, by one of `FILTERS`."""
    return from_picture(picture.resize((side, side), FILTERS[name]))


def fill_hole(
    pixels: UInt8[Tensor, "3 height width"], hole: Bool[Tensor, "height width"], filling: Filling
) -> UInt8[Tensor, "3 height width"]:
    """An image with its hole filled by OpenCV (Telea 2004; Bertalmio 2001); outside it stays as it is.

    Raises:
        ConfigError: when OpenCV is not installed.
    """
    cv2 = _opencv()
    method = cv2.INPAINT_TELEA if filling == "Telea" else cv2.INPAINT_NS
    image = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
    filled = cv2.inpaint(image, hole.numpy().astype(np.uint8), RADIUS, method)
    return torch.from_numpy(filled).permute(2, 0, 1)


def opencv_version() -> str:
    """Which OpenCV fills holes.

    Raises:
        ConfigError: when it is not installed.
    """
    return _opencv().__version__


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise ConfigError(
            "Inpainting is measured beside OpenCV, whose package opencv-python-headless is not installed: "
            'run pip install "ildm[eval]".'
        ) from error
    return cv2
