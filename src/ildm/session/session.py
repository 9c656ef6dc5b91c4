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
from ildm.model import Model
from ildm.session import commands
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
from ildm.session.steered import Steered
from ildm.session.wire import checked


class Session(Steered):
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
