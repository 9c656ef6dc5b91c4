"""What is kept stays in pixels, too.

The latent of a held area is its source's to the end, but a decoder looks at what lies around, and its norms at the whole picture: the same
latents come out otherwise when their surroundings change.
"""

from __future__ import annotations

from PIL import Image as PILImage

from ildm.conditioning.inpainting import composite
from ildm.core.picture import to_bytes, to_picture
from ildm.model import Model
from ildm.session.blobs import Blobs
from ildm.session.settings import Hold, Settings


class KeptPixels:
    """Lays what is held to the end over pictures, in the pixels that it had.

    Args:
        model: decodes the sources of holds, each once while it is in use.
    """

    def __init__(self, model: Model, blobs: Blobs) -> None:
        self._model, self._blobs = model, blobs
        self._sources: dict[str, PILImage.Image] = {}

    def over(self, settings: Settings, drawn: PILImage.Image) -> PILImage.Image:
        """A picture in which every pixel that may never change is its source's; the others meet them at the border."""
        holds = [one for one in settings.holds if one.until is None and self._free(one, drawn.size).getextrema()[0] == 0]
        self._sources = {one.source: self._source(one.source) for one in holds}
        for one in holds:
            drawn = composite(self._sources[one.source], self._free(one, drawn.size), drawn)
        return drawn

    def _free(self, hold: Hold, size: tuple[int, int]) -> PILImage.Image:
        """White where pixels may change at any step."""
        free = self._blobs.mask(hold.change).to_array() > 0.0
        return PILImage.fromarray(free).convert("L").resize(size, PILImage.Resampling.NEAREST)

    def _source(self, source: str) -> PILImage.Image:
        if source in self._sources:
            return self._sources[source]
        return to_picture(to_bytes(self._model.decode(self._blobs.latent(source, self._model.device)))[0])
