"""What is kept stays in pixels, too.

The latent of a held area is its source's to the end, but a decoder looks at what lies around, and its norms at the whole picture: the same
latents come out otherwise when their surroundings change.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from ildm.conditioning.inpainting import composite
from ildm.core.picture import to_bytes, to_picture
from ildm.core.types import Latent
from ildm.model import Model
from ildm.session.blobs import Blobs
from ildm.session.settings import Hold, Settings

Places = NDArray[np.bool_]
"""(height, width) in pixels."""


class KeptPixels:
    """Lays what is held to the end over pictures, in the pixels that it had.

    Args:
        model: decodes the sources of holds, each once while it is in use.
    """

    def __init__(self, model: Model, blobs: Blobs) -> None:
        self._model, self._blobs = model, blobs
        self._pictures: dict[str, PILImage.Image] = {}

    def over(self, settings: Settings, drawn: PILImage.Image) -> PILImage.Image:
        """A picture in which every pixel that may never change is its source's; the others meet them at the border.

        Where a later source has an earlier one's latents, as behind one area made anew after another, the earlier pixels stay.
        """
        holds = [one for one in settings.holds if one.until is None and self._kept(one, drawn.size).any()]
        self._pictures = {one.source: self._picture(one.source) for one in holds}
        laid: list[tuple[Latent, Places]] = []
        kept_picture = drawn.copy()
        for one in holds:
            source, kept = self._blobs.latent(one.source, self._model.device), self._kept(one, drawn.size)
            for former, there in laid:
                kept = kept & ~(there & _alike(former, source, drawn.size))
            laid = [*((former, there & ~kept) for former, there in laid), (source, kept)]
            kept_picture.paste(self._pictures[one.source], mask=PILImage.fromarray(kept).convert("L"))
        if not laid:
            return drawn
        # all at once: what meets the border of one must not move the pixels of another
        free = ~np.logical_or.reduce([kept for _, kept in laid])
        return composite(kept_picture, PILImage.fromarray(free).convert("L"), drawn)

    def _kept(self, hold: Hold, size: tuple[int, int]) -> Places:
        """Where pixels may change at no step."""
        kept = self._blobs.mask(hold.change).to_array() == 0.0
        return np.asarray(PILImage.fromarray(kept).convert("L").resize(size, PILImage.Resampling.NEAREST)) > 0

    def _picture(self, source: str) -> PILImage.Image:
        if source in self._pictures:
            return self._pictures[source]
        return to_picture(to_bytes(self._model.decode(self._blobs.latent(source, self._model.device)))[0])


def _alike(one: Latent, other: Latent, size: tuple[int, int]) -> Places:
    """Where two latents are the same, bit for bit, in the pixels of their cells."""
    same = (one == other).all(dim=1)[0].cpu().numpy()
    return same.repeat(size[1] // same.shape[0], axis=0).repeat(size[0] // same.shape[1], axis=1)
