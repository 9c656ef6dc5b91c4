"""What a model is shown beside the prompt: a picture to draw into, a map to draw by, a small picture to draw larger."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image as PILImage

from ildm.conditioning.hint import Beside, Hint
from ildm.core.errors import DataError
from ildm.core.picture import from_picture, to_picture
from ildm.data.picture import RefusedFile, read_numbers, read_picture
from ildm.model import Model
from ildm.session.blobs import Blobs
from ildm.session.commands import ShowImage
from ildm.session.editing import changed
from ildm.session.preview import Pixels
from ildm.session.refusals import Unsupported
from ildm.session.settings import Settings
from ildm.session.wire import Mask

_BEHIND = (255, 255, 255)
"""What shows through the clear parts of a picture."""

Finish = Callable[[Pixels], Pixels]
"""What is done to a preview before anybody sees it."""


def with_shown(model: Model, blobs: Blobs, settings: Settings, command: ShowImage) -> Settings:
    """The settings after a command. The picture is kept at the size that is used, and no larger.

    Raises:
        Unsupported: when the model is shown nothing.
        DataError: when the bytes are no picture of a kind that it reads.
        ConfigError, ShapeError: when the model cannot use it.
    """
    if model.hint is None:
        raise Unsupported(f"The model {model.manifest.name!r} is shown no pictures: it draws from words alone.")
    mask = None if command.mask is None else blobs.put_mask(command.mask)
    image = None if command.image is None else _kept(model.hint, command.image, settings.size)
    return changed(settings, shown=None if image is None else blobs.put(image), hole=mask)


def shown_to(model: Model, blobs: Blobs, settings: Settings) -> Beside:
    """What a run's model is shown; nothing where nothing was chosen yet.

    Raises:
        ConfigError, ShapeError: when the model cannot use it.
    """
    if settings.shown is None and settings.hole is None:
        return model.unshown(settings.size, 1)
    return model.beside(*_chosen(blobs, settings), settings.size, 1)


def completed(model: Model, blobs: Blobs, settings: Settings, drawn: PILImage.Image) -> PILImage.Image:
    """A drawing as a person gets it, see `Hint.completed`."""
    return drawn if model.hint is None else model.hint.completed(*_chosen(blobs, settings), drawn)


@dataclass(frozen=True)
class LaidInto:
    """What lays previews into the picture that is drawn into, on any thread.

    Args:
        image: a file's bytes, as it is kept in a session.
    """

    hint: Hint
    image: bytes
    mask: Mask
    _small: dict[tuple[int, int], tuple[PILImage.Image, PILImage.Image]] = field(default_factory=dict)

    def __call__(self, pixels: Pixels) -> Pixels:
        """A preview among the picture's own pixels."""
        drawn = to_picture(pixels)
        if drawn.size not in self._small:
            self._small[drawn.size] = self._shrunk(drawn.size)
        return from_picture(self.hint.completed(*self._small[drawn.size], drawn))

    def _shrunk(self, size: tuple[int, int]) -> tuple[PILImage.Image, PILImage.Image]:
        picture = PILImage.open(io.BytesIO(self.image)).convert("RGB").resize(size, PILImage.Resampling.BOX)
        return picture, _mask_picture(self.mask).resize(size, PILImage.Resampling.NEAREST)


def preview_finish(model: Model, blobs: Blobs, settings: Settings) -> LaidInto | None:
    """What lays previews of these settings into the picture that is drawn into; None where none is, or it is not here."""
    if model.hint is None or not model.hint.keeps_surroundings or settings.shown is None or settings.hole is None:
        return None
    if blobs.missing((settings.shown, settings.hole)):
        return None
    return LaidInto(model.hint, blobs.get(settings.shown), blobs.mask(settings.hole))


def _chosen(blobs: Blobs, settings: Settings) -> tuple[PILImage.Image | None, PILImage.Image | None]:
    """The picture and the mask of these settings."""
    image = None if settings.shown is None else PILImage.open(io.BytesIO(blobs.get(settings.shown)))
    if settings.hole is None:
        return image, None
    return image, _mask_picture(blobs.mask(settings.hole)).resize(settings.size, PILImage.Resampling.NEAREST)


def _mask_picture(mask: Mask) -> PILImage.Image:
    return PILImage.fromarray((255 * mask.to_array()).round().astype("uint8"))


def _kept(hint: Hint, data: bytes, size: tuple[int, int]) -> bytes:
    try:
        picture = (
            read_numbers(io.BytesIO(data))
            if hint.reads_numbers
            else read_picture(io.BytesIO(data), _BEHIND, formats=("PNG", "JPEG", "WEBP"))
        )
    except RefusedFile as error:
        kind = "map with a class's number in each pixel" if hint.reads_numbers else "PNG, JPEG or WebP picture"
        raise DataError(f"These {len(data)} bytes are no {kind}: {error}.") from error
    file = io.BytesIO()
    hint.fitted(picture, size).save(file, "PNG")
    return file.getvalue()
