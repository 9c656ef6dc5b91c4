"""Small pictures for lists."""

from __future__ import annotations

import io

from PIL import Image as PILImage

from ildm.studio.refusals import Refused

SIDE = 192
"""Pixels that neither side has more of."""
QUALITY = 85


def shrink(data: bytes) -> bytes:
    """A picture's file as a JPEG that is small enough for a list; one that is so already stays as it is.

    Raises:
        Refused: when it is no picture.
    """
    try:
        with PILImage.open(io.BytesIO(data)) as picture:
            if picture.format == "JPEG" and max(picture.size) <= SIDE:
                return data
            picture.draft("RGB", (SIDE, SIDE))
            small = picture.convert("RGB")
    except OSError as error:
        raise Refused("not-found", "This session has no picture to show in a list.") from error
    small.thumbnail((SIDE, SIDE), PILImage.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()
