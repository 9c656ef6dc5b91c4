"""What changes a run from Python, as methods: every one is a command, which acts from the next step on."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from typing import Any, Self

from PIL import Image as PILImage

from ildm.core.errors import ConfigError
from ildm.data.picture import as_seen
from ildm.session import commands
from ildm.session.applying import BEHIND
from ildm.session.area import Area, as_mask
from ildm.session.commands import Command
from ildm.session.settings import Settings
from ildm.session.wire import Mask, Message, checked

_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


class Steered(ABC):
    """A run that takes commands. Each method returns the run itself, and raises what `apply` raises."""

    @property
    @abstractmethod
    def settings(self) -> Settings:
        """In force for the next step."""

    @abstractmethod
    def apply(self, command: Command) -> Self:
        """Let any command act here and now.

        Raises:
            ConfigError, ShapeError, DataError: when it cannot, with the reason; then everything stays as it was.
        """

    def set_prompt(self, text: str) -> Self:
        """Say something else from the next step on."""
        return self._ask(commands.SetPrompt, text=text)

    def set_negative_prompt(self, text: str) -> Self:
        """Move away from something else from the next step on."""
        return self._ask(commands.SetNegativePrompt, text=text)

    def set_guidance(self, scale: float, *, rescale: float | None = None) -> Self:
        """Follow the words more or less strongly from the next step on."""
        return self._ask(commands.SetGuidance, scale=scale, rescale=rescale)

    def set_sampler(self, name: str) -> Self:
        """Solve the remaining steps by another method."""
        return self._ask(commands.SetSampler, name=name)

    def set_num_steps(self, num_steps: int) -> Self:
        """Give the run another number of steps in all; those that are left spread over the noise that is left."""
        return self._ask(commands.SetNumSteps, num_steps=num_steps)

    def start_over(self, *, seed: int | None = None, width: int | None = None, height: int | None = None) -> Self:
        """Begin a new branch from noise; None = as before."""
        return self._ask(commands.StartOver, seed=seed, width=width, height=height)

    def start_from(self, image: PILImage.Image, *, strength: float = 0.6, change_map: Area | None = None) -> Self:
        """Begin a new branch from a picture.

        Args:
            strength: 0 keeps the picture, 1 keeps nothing.
            change_map: where it may change; multiplied by `strength`.
        """
        _check_picture(image)
        # the log holds it for ever, so at the size that is used and no larger
        small = as_seen(image, BEHIND).resize(self.settings.size, PILImage.Resampling.LANCZOS)
        change = None if change_map is None else self._mask(change_map)
        return self._ask(commands.StartFromImage, image=_png(small), strength=strength, change_map=change)

    def show(self, image: PILImage.Image | None, *, mask: Area | None = None) -> Self:
        """Show the model something beside the prompt, from the next step on.

        Args:
            image: the picture to draw into or to draw larger, or the map to draw by, each pixel the number of its class; None = nothing.
            mask: where to draw into the picture; None = everywhere.
        """
        hole = None if mask is None else self._mask(mask)
        return self._ask(commands.ShowImage, image=None if image is None else _png(image), mask=hole)

    def lock(self, area: Area) -> Self:
        """Keep an area as it is now, bit for bit to the end."""
        return self._ask(commands.LockArea, area=self._mask(area))

    def release(self, area: Area | None = None) -> Self:
        """Let a locked area go; None = all."""
        return self._ask(commands.ReleaseArea, area=None if area is None else self._mask(area))

    def redo_area(self, area: Area, *, strength: float = 0.7, seed: int | None = None) -> Self:
        """Make an area anew, on a branch of its own; `strength` 1 goes back to noise."""
        return self._ask(commands.RedoArea, area=self._mask(area), strength=strength, seed=seed)

    def like(self, area: Area | None = None, *, strength: float = 1.0) -> Self:
        """More like this; None = like the whole picture."""
        return self._ask(commands.LikeArea, area=None if area is None else self._mask(area), strength=strength)

    def dislike(self, area: Area | None = None, *, strength: float = 1.0) -> Self:
        """Something else here; None = than the whole picture. A run that is past the first third goes back to there."""
        return self._ask(commands.DislikeArea, area=None if area is None else self._mask(area), strength=strength)

    def forget_feedback(self) -> Self:
        """Take all likes and dislikes back."""
        return self._ask(commands.ForgetFeedback)

    def undo(self) -> Self:
        """Go back to where the last change was made, without it."""
        return self._ask(commands.Undo)

    def redo(self) -> Self:
        """Take the last undo back."""
        return self._ask(commands.Redo)

    def _ask(self, kind: type[Message], **fields: Any) -> Self:
        command: Any = checked(kind, fields)
        return self.apply(command)

    def _mask(self, area: Area) -> Mask:
        return as_mask(area, self.settings.width, self.settings.height)


def _png(image: PILImage.Image) -> bytes:
    _check_picture(image)
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _check_picture(image: object) -> None:
    if not isinstance(image, PILImage.Image):
        raise ConfigError(f"A picture is a PIL image, but {type(image).__name__} came: open the file first.")
