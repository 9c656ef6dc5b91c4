"""A live run: the tree of its states, and cursors that walk and grow it. No clock, no thread: the same commands at the same steps
give the same tree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from PIL import Image as PILImage

from ildm.core.errors import ConfigError, ProtocolError
from ildm.core.picture import to_bytes, to_picture
from ildm.core.types import Latent
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.blobs import Blobs
from ildm.session.conditions import Conditions
from ildm.session.settings import Settings
from ildm.session.snapshots import KEPT_EVERY, Snapshots
from ildm.session.steering import Steering, estimate_of
from ildm.session.timeline import Node, Timeline

SNAPSHOT_BUDGET = 256 * 2**20


class Run:
    """The states of one session, however they came about.

    Args:
        model: draws.
        conditions: shared by the runs of a model; None = its own.
        budget: bytes of states in memory; what does not fit is computed again when it is asked for.
    """

    def __init__(self, model: Model, *, conditions: Conditions | None = None, budget: int = SNAPSHOT_BUDGET) -> None:
        self.model = model
        self.blobs = Blobs()
        self.timeline = Timeline()
        self.snapshots = Snapshots(budget)
        self.steering = Steering(model, self.blobs, conditions or Conditions(model))
        self.steps_computed = 0

    def begin(self, settings: Settings, parent: int | None = None) -> Node:
        """A new first state. The parent only says where a person stood.

        Raises:
            ConfigError, ShapeError: when the settings cannot be followed.
        """
        self.steering.check(settings)
        state = self.steering.begin(settings)
        node = self.timeline.begin(parent, settings)
        self.snapshots.put(node.id, state)
        return node

    def grow(self, branch: int, settings: Settings) -> Node:
        """One step from a branch's tip.

        Raises:
            ConfigError: when the branch is finished.
        """
        state = self._stepped(self.state(self.timeline.branch(branch).tip), settings)
        node = self.timeline.grow(branch, settings)
        self.snapshots.put(node.id, state)
        return node

    def state(self, node: int) -> SamplerState:
        """The state at a node, from memory or computed again from the nearest one that is."""
        missing: list[Node] = []
        state: SamplerState | None = None
        for one in self.timeline.ancestry(node):
            state = self.snapshots.get(one.id)
            if state is not None:
                break
            missing.append(one)
            if one.origin == "start":
                break
        for one in reversed(missing):
            state = self.steering.begin(one.settings) if one.origin == "start" else self._stepped(_known(state), one.settings)
            if one.id == node or one.step % KEPT_EVERY == 0:
                self.snapshots.put(one.id, state)
        return _known(state)

    def first_step(self, branch: int) -> int:
        """How many steps count as done where the latest start on a branch lies."""
        return next(node.step for node in self.timeline.way(branch)[::-1] if node.origin == "start")

    def estimate(self, node: int) -> Latent:
        """The picture behind a state as a latent: the final one, or the last step's data estimate.

        Raises:
            ConfigError: before the first step of a run that began with noise.
        """
        estimate = estimate_of(self.state(node))
        if estimate is None:
            raise ConfigError("There is nothing to see yet: make a step first.")
        return estimate

    @torch.inference_mode()
    def picture(self, node: int) -> PILImage.Image:
        """The picture behind a state, decoded whole; grey before the first step."""
        estimate = estimate_of(self.state(node))
        settings = self.timeline.node(node).settings
        if estimate is None:
            return PILImage.new("RGB", (settings.width, settings.height), (127, 127, 127))
        return to_picture(to_bytes(self.model.decode(estimate))[0])

    def delete(self, branch: int) -> list[int]:
        """Forget a branch and the states that only it needs."""
        gone = self.timeline.delete(branch)
        self.snapshots.drop(gone)
        return gone

    def _stepped(self, state: SamplerState, settings: Settings) -> SamplerState:
        self.steps_computed += 1
        return self.steering.step(state, settings)


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a cursor stands.

    Args:
        node: the state.
        branch: the way it is on.
        settings: in force for the next step.
        following: whether the next step only passes on to the branch's recorded future, where there is one.
    """

    node: int
    branch: int
    settings: Settings
    following: bool = False


class Cursor:
    """A place in a run's tree from which it is stepped, changed, rewound and branched.

    Args:
        run: the tree.
        position: where to stand.
        number: tells the cursors of one tree apart in its log.
    """

    def __init__(self, run: Run, position: Position, number: int = 0) -> None:
        self.run = run
        self.position = position
        self.number = number
        self._undone: list[Position] = []
        self._done: list[Position] = []

    @classmethod
    def begin(cls, run: Run, settings: Settings, number: int = 0) -> Cursor:
        """A cursor at a new first state, on a branch of its own."""
        node = run.begin(settings)
        branch = run.timeline.fork(node.id, settings)
        return cls(run, Position(node=node.id, branch=branch.id, settings=settings), number)

    @classmethod
    def at(cls, run: Run, node: int, branch: int, number: int = 0) -> Cursor:
        """A cursor at a state that is there already."""
        cursor = cls(run, Position(node=node, branch=branch, settings=run.timeline.node(node).settings), number)
        cursor._go(node, branch)
        return cursor

    @property
    def node(self) -> Node:
        """Where it stands."""
        return self.run.timeline.node(self.position.node)

    @property
    def settings(self) -> Settings:
        """In force for the next step."""
        return self.position.settings

    @property
    def at_tip(self) -> bool:
        """Whether the branch has no recorded future from here."""
        return self.run.timeline.branch(self.position.branch).tip == self.position.node

    @property
    def finished(self) -> bool:
        """Whether no step is left."""
        return self.at_tip and self.node.step >= self.settings.num_steps

    def step(self) -> tuple[Node, bool]:
        """One step on. Returns the new state's node and whether it had to be computed.

        Raises:
            ConfigError: when all steps are done.
        """
        timeline, position = self.run.timeline, self.position
        following = timeline.after(position.branch, position.node)
        if following is not None:
            at_tip = following.id == timeline.branch(position.branch).tip
            settings = timeline.branch(position.branch).settings if at_tip else following.settings
            self.position = replace(position, node=following.id, settings=settings, following=not at_tip)
            return following, False
        if self.finished:
            raise ConfigError(f"All {self.settings.num_steps} steps of this run are done: rewind it, or start over.")
        node = self.run.grow(position.branch, position.settings)
        self.position = replace(position, node=node.id, following=False)
        return node, True

    # --- travelling --------------------------------------------------------------------------------------------------

    def rewind(self, step: int) -> None:
        """Go to the state after `step` steps of this branch, back or forth.

        Raises:
            ConfigError: when the branch has no such state.
        """
        self._go(self.run.timeline.at_step(self.position.branch, step).id, self.position.branch)

    def open(self, node: int) -> None:
        """Go to any state of the tree."""
        self._go(node, self.run.timeline.branch_through(node, self.position.branch).id)

    def open_branch(self, branch: int) -> None:
        """Go to a branch's last state."""
        line = self.run.timeline.branch(branch)
        self.position = Position(node=line.tip, branch=line.id, settings=line.settings)

    def branch_off(self, step: int | None = None, name: str | None = None) -> None:
        """Begin another future of this branch, after `step` steps or here, and go there."""
        if step is not None:
            self.rewind(step)
        line = self.run.timeline.fork(self.position.node, self.settings, name)
        self.position = Position(node=line.tip, branch=line.id, settings=line.settings)

    # --- changing ----------------------------------------------------------------------------------------------------

    def check(self, settings: Settings) -> None:
        """Find out whether other settings can be followed from here.

        Raises:
            ConfigError, ShapeError: when they cannot, with the reason.
        """
        node = self.node
        if node.step >= node.settings.num_steps:
            raise ConfigError(f"All {node.step} steps are done, so no step is left to change: rewind the run, or start over.")
        if node.step >= settings.num_steps:
            raise ConfigError(
                f"{node.step} steps are done already, so the run cannot end after {settings.num_steps}: rewind it first, or "
                "take more steps."
            )
        self.run.steering.check(settings)

    def change(self, settings: Settings) -> None:
        """Put other settings in force from the next step on; where the branch has a recorded future, on a branch of its own.

        Raises:
            ConfigError, ShapeError: when they cannot be followed; then everything stays as it was.
        """
        self.check(settings)
        self._remember()
        if self.at_tip:
            self.run.timeline.change(self.position.branch, settings)
        else:
            self.branch_off()
            self.run.timeline.change(self.position.branch, settings)
        self.position = replace(self.position, settings=settings, following=False)

    def begin_again(self, settings: Settings) -> None:
        """Go to a new first state on a branch of its own."""
        node = self.run.begin(settings, parent=self.position.node)
        self._remember()
        line = self.run.timeline.fork(node.id, settings)
        self.position = Position(node=node.id, branch=line.id, settings=settings)

    def undo(self) -> None:
        """Go back to where the last change was made, without it.

        Raises:
            ConfigError: when nothing was changed.
        """
        self._done = self._still_there(self._done)
        if not self._done:
            raise ConfigError("There is nothing to undo.")
        former = self._done.pop()
        self._undone.append(self.position)
        self._restore(former)

    def redo(self) -> None:
        """Take the last undo back.

        Raises:
            ConfigError: when nothing was undone.
        """
        self._undone = self._still_there(self._undone)
        if not self._undone:
            raise ConfigError("There is nothing to redo.")
        later = self._undone.pop()
        self._done.append(self.position)
        self._restore(later)

    def _still_there(self, places: list[Position]) -> list[Position]:
        """Without those that went with a branch, whoever deleted it."""
        timeline = self.run.timeline
        return [one for one in places if one.branch in timeline.branches and one.node in timeline.nodes]

    def _remember(self) -> None:
        self._done.append(self.position)
        self._undone.clear()

    def _restore(self, position: Position) -> None:
        timeline = self.run.timeline
        self.position = position
        if position.following:
            return
        line = timeline.branch(position.branch)
        if line.tip == position.node:
            timeline.change(line.id, position.settings)
        elif timeline.after(line.id, position.node) is not None:
            # the branch has grown under the settings that are taken back: its other future gets a branch of its own
            self.branch_off()

    def _go(self, node: int, branch: int) -> None:
        line = self.run.timeline.branch(branch)
        if line.tip == node:
            self.position = Position(node=node, branch=branch, settings=line.settings)
        else:
            settings = self.run.timeline.node(node).settings
            self.position = Position(node=node, branch=branch, settings=settings, following=True)


def latent_hash(latent: Latent) -> str:
    """The SHA-256 of a latent's float32 bytes."""
    return hashlib.sha256(latent.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()


def picture_hash(picture: PILImage.Image) -> str:
    """The SHA-256 of a picture's size and RGB rows."""
    return hashlib.sha256(f"{picture.width}x{picture.height}:".encode() + picture.convert("RGB").tobytes()).hexdigest()


def _known(state: SamplerState | None) -> SamplerState:
    if state is None:
        raise ProtocolError("The session's log begins in the middle: the state it goes on from is not there.")
    return state
