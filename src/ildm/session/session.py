"""A run that a person steers step by step from Python, without a server."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from PIL import Image as PILImage

from ildm.core.arguments import check_arguments
from ildm.core.errors import ConfigError
from ildm.core.progress import Progress
from ildm.core.types import Latent
from ildm.data.picture import as_seen
from ildm.model import Model
from ildm.session import commands
from ildm.session.applying import BEHIND
from ildm.session.area import Area, as_mask
from ildm.session.commands import Command
from ildm.session.comparison import Comparison, combinations, finish_all
from ildm.session.cursor import Cursor
from ildm.session.defaults import settings_for
from ildm.session.editing import changed
from ildm.session.events import AnyEvent
from ildm.session.log import Log, LoggedCursor, open_log
from ildm.session.regions import Regions
from ildm.session.run import SNAPSHOT_BUDGET, Run
from ildm.session.same_model import check_same_model
from ildm.session.settings import Settings
from ildm.session.wire import Mask, Message, checked

_PNG_MODES = ("1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA")


class Session:
    """One image while it forms.

    Steps are made when asked for; between two of them everything can be changed, and acts from the next step on.
    `branch` gives a second session on the same tree of states. In a notebook a session shows its picture.

    Args:
        model: draws.
        prompt, negative_prompt, num_steps, guidance_scale, sampler, seed, width, height: as for `Model.generate`; None = the default
            in the model's manifest; seed None = drawn and recorded.
        initial_noise: unit normal (1, channels, height / stride, width / stride) in place of what all seeds begin with, those of
            regions too.
        budget: bytes of states kept in memory; others are computed again when asked for.

    Raises:
        ConfigError, ShapeError: for settings that the model cannot follow.
    """

    def __init__(
        self,
        model: Model,
        prompt: str = "",
        *,
        negative_prompt: str = "",
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        sampler: str | None = None,
        seed: int | None = None,
        width: int | None = None,
        height: int | None = None,
        initial_noise: Latent | None = None,
        budget: int = SNAPSHOT_BUDGET,
    ) -> None:
        check_arguments(initial_noise=initial_noise)
        settings = settings_for(
            model,
            prompt=prompt,
            negative_prompt=negative_prompt,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            sampler=sampler,
            seed=seed,
            width=width,
            height=height,
        )
        run = Run(model, budget=budget)
        if initial_noise is not None:
            settings = changed(settings, initial_noise=run.blobs.put_latent(initial_noise))
        self._logged = open_log(Cursor.begin(run, settings), Log())

    @classmethod
    def of(cls, logged: LoggedCursor) -> Self:
        """A session of a cursor that is there already."""
        session = cls.__new__(cls)
        session._logged = logged
        return session

    @classmethod
    def load(cls, path: str | Path, model: Model | None = None) -> Self:
        """A session from a file that `export` or `save` wrote, where it stood.

        Args:
            model: to go on with, whichever it is; None = the one that the session names.

        Raises:
            DataError, ProtocolError: when the file carries no session, or is damaged.
            CheckpointError: when the model cannot be found, or the one of that name is another.
        """
        from ildm.checkpoint.load import load
        from ildm.session.files import open_session_file

        with open_session_file(Path(path)) as file:
            going_on = model or load(file.opened.model)
            if model is None:
                check_same_model(
                    going_on, file.opened, session=f"The session in {path}", otherwise="give a model to go on with"
                )
            return cls.of(file.restore(going_on))

    # --- where it stands -----------------------------------------------------------------------------------------------

    @property
    def model(self) -> Model:
        """What draws."""
        return self._cursor.run.model

    @property
    def settings(self) -> Settings:
        """In force for the next step."""
        return self._cursor.settings

    @property
    def step_index(self) -> int:
        """How many steps are done."""
        return self._cursor.node.step

    @property
    def node(self) -> int:
        """The number of the state in the tree."""
        return self._cursor.position.node

    @property
    def done(self) -> bool:
        """Whether no step is left."""
        return self._cursor.finished

    @property
    def latent(self) -> Latent:
        """The current latent, (1, channels, height, width), at the noise level of this step."""
        return self._cursor.run.state(self.node).latent

    @property
    def regions(self) -> Regions:
        """The painted areas with prompts of their own; add, change and paint them here."""
        return Regions(lambda: self.settings, self.apply, self._cursor.run.blobs.mask)

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """All that has happened, in this tree."""
        return tuple(self._logged.log.events)

    @property
    def tree(self) -> Run:
        """All states of this session and its branches."""
        return self._cursor.run

    def image(self) -> PILImage.Image:
        """The picture as it is: final, or the last step's estimate of it. Grey before the first step."""
        return self._cursor.run.picture(self.node)

    # --- going on ------------------------------------------------------------------------------------------------------

    def step(self) -> Self:
        """Make one step.

        Raises:
            ConfigError: when all steps are done.
        """
        self._logged.step()
        return self

    def run(self, progress: Progress | None = None) -> Self:
        """Make all steps that are left."""
        while not self.done:
            made = self._logged.step()
            if progress is not None:
                progress(made.step, made.num_steps)
        return self

    def rewind(self, step: int) -> Self:
        """Go to the state after `step` steps, back or forth; absolute. Without a change the run then repeats itself exactly."""
        return self._ask(commands.Rewind, step=step)

    def open(self, node: int) -> Self:
        """Go to any state of the tree."""
        return self._ask(commands.OpenNode, node=node)

    def name(self, text: str | None) -> Self:
        """Give this state a name; None takes it away."""
        return self._ask(commands.NameNode, node=self.node, name=text)

    def delete_branch(self, branch: int) -> Self:
        """Forget a branch of the tree, and the states that no other one needs."""
        return self._ask(commands.DeleteBranch, branch=branch)

    def branch(self, name: str | None = None) -> Session:
        """A second session that goes on from here; this one stays where it is."""
        command = checked(commands.BranchOff, {"name": name})
        log, former = self._logged.log, self._cursor
        number = 1 + max(event.cursor for event in log.events)
        other = LoggedCursor(Cursor.at(former.run, former.position.node, former.position.branch, number), log)
        other.tell_position()
        other.apply(command)
        return type(self).of(other)

    # --- steering ------------------------------------------------------------------------------------------------------

    def apply(self, command: Command) -> Self:
        """Let any command act here and now.

        Raises:
            ConfigError, ShapeError, DataError: when it cannot, with the reason; then everything stays as it was.
        """
        self._logged.apply(command)
        return self

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

    def compare(self, *, at: int | None = None, columns: int | None = None, **values: Sequence[Any]) -> Comparison:
        """Finish a future for every combination of one or two settings, from a shared step.

        Args:
            at: the step they share; None = here.
            columns: of the sheet; None = as many as the last setting has values.
            values: such as `guidance_scale=[1, 3, 5]`, `prompt=[...]`, `sampler=[...]`, `num_steps=[...]`.

        Raises:
            ConfigError: for no settings, more than two, or values that the model cannot follow.
        """
        choices = combinations(values)
        if columns is not None and columns < 1:
            raise ConfigError(f"A sheet has at least 1 column, but {columns} was given.")
        command = checked(commands.Compare, {"choices": choices, "step": at})
        return finish_all(self._logged, command, columns or len(list(values.values())[-1]))

    # --- keeping -------------------------------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the picture as a PNG that carries the session, its states left out, and can be loaded and replayed.

        A session of more than 16 MB is only named: export it, too.

        Raises:
            StorageError: when it cannot be written.
        """
        from ildm.session.files import save_picture

        save_picture(self._logged, Path(path))

    def export(self, path: str | Path) -> None:
        """Write the whole session, log and states, into one file that opens on another machine.

        Raises:
            StorageError: when it cannot be written.
        """
        from ildm.session.files import export_session

        export_session(self._logged, Path(path))

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.image().save(file, "PNG")
        return file.getvalue()

    def __repr__(self) -> str:
        # a finished picture is told as it was made: what is in force then is asked of whatever comes next
        told = self._cursor.node.settings if self.done else self.settings
        return f"<Session {told.prompt!r}: step {self.step_index} of {told.num_steps}, seed {told.seed}>"

    @property
    def _cursor(self) -> Cursor:
        return self._logged.cursor

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
