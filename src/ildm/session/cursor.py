"""Places in a run's tree: stepped, changed, rewound and branched."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from ildm.core.errors import ConfigError
from ildm.session.refusals import NotNow
from ildm.session.run import Run
from ildm.session.settings import Settings
from ildm.session.taking_along import taken_along
from ildm.session.timeline import Node

MOST_REMEMBERED = 500
"""Changes that can be taken back; what they painted stays in memory as long."""


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
        run.places[number] = lambda: self.position.branch
        self._undone: list[Position] = []
        self._done: list[Position] = []
        self._last: Hashable | None = None  # what the last change was a part of, as long as nothing was taken back since

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
        cursor.position = cursor._position(node, branch)
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
        return self.at_tip and is_over(self.node)

    @property
    def branches_of_others(self) -> set[int]:
        """Where the other cursors of the tree are: those branches are not this one's alone to change."""
        return {branch() for number, branch in self.run.places.items() if number != self.number}

    @property
    def can_undo(self) -> bool:
        """Whether a change can be taken back."""
        return bool(self._still_there(self._done))

    @property
    def can_redo(self) -> bool:
        """Whether an undo can be taken back."""
        return bool(self._still_there(self._undone))

    def leave(self) -> None:
        """Be no more: the other cursors may do as they like with the branch it was on."""
        del self.run.places[self.number]

    def step(self) -> tuple[Node, bool]:
        """One step on. Returns the new state's node and whether it had to be computed.

        Raises:
            NotNow: when all steps are done.
        """
        timeline, position = self.run.timeline, self.position
        following = timeline.after(position.branch, position.node)
        if following is not None:
            self.position = self._position(following.id, position.branch)
            return following, False
        if self.finished:
            raise NotNow(f"All {self.node.step} steps of this run are done: rewind it, or start over.")
        node = self.run.grow(position.branch, position.settings)
        self.position = replace(position, node=node.id, settings=node.settings, following=False)
        return node, True

    # --- travelling --------------------------------------------------------------------------------------------------

    def place(self, step: int) -> Position:
        """Where a rewind would lead. What was asked for over a finished picture goes along, and only that.

        Raises:
            ConfigError: when the branch has no such state.
        """
        there = self._position(self.run.timeline.at_step(self.position.branch, step).id, self.position.branch)
        if not is_over(self.node) or there.node == self.position.node:
            return there
        settings = taken_along(there.settings, self.node.settings, self.settings)
        return there if settings == there.settings else replace(there, settings=settings)

    def rewind(self, step: int) -> None:
        """Go to the state after `step` steps of this branch, back or forth.

        Raises:
            ConfigError: when the branch has no such state, or what was asked for over its end cannot be done from there.
        """
        there = self.place(step)
        if there == self._position(there.node, there.branch):
            self.position = there
        else:
            self.take_up(there)

    def open(self, node: int) -> None:
        """Go to any state of the tree."""
        self.position = self._position(node, self.run.timeline.branch_through(node, self.position.branch).id)

    def open_branch(self, branch: int) -> None:
        """Go to a branch's last state."""
        line = self.run.timeline.branch(branch)
        self.position = Position(node=line.tip, branch=line.id, settings=line.settings)

    def branch_off(self, step: int | None = None, name: str | None = None) -> None:
        """Begin another future of this branch, after `step` steps or here, and go there."""
        here = self.position if step is None else self.place(step)
        line = self.run.timeline.fork(here.node, here.settings, name)
        self.position = Position(node=line.tip, branch=line.id, settings=line.settings)

    # --- changing ----------------------------------------------------------------------------------------------------

    def change(self, settings: Settings, *, part_of: Hashable | None = None) -> None:
        """Put other settings in force from the next step on; where the branch has a recorded future, on a branch of its own.

        Over a finished picture they are what is asked of whatever comes next: a rewind takes them along, and so does a new start.

        Args:
            part_of: changes one after another that are parts of the same thing are taken back together; None = a change by itself.

        Raises:
            ConfigError, ShapeError: when they cannot be followed; then everything stays as it was.
        """
        self.take_up(replace(self.position, settings=settings), part_of=part_of)

    def take_up(self, place: Position, *, part_of: Hashable | None = None) -> None:
        """Go on from a place under its settings; where its branch has a recorded future, on a branch of its own.

        Raises:
            ConfigError, ShapeError: when they cannot be followed; then everything stays as it was.
        """
        self.check(place)
        self._remember(part_of)
        timeline = self.run.timeline
        if timeline.branch(place.branch).tip == place.node and place.branch not in self.branches_of_others:
            timeline.change(place.branch, place.settings)
            self.position = replace(place, following=False)
        else:
            line = timeline.fork(place.node, place.settings)
            self.position = replace(place, branch=line.id, following=False)

    def check(self, place: Position) -> None:
        """Find out whether a place's settings can be followed from there.

        Raises:
            ConfigError, ShapeError: when they cannot, with the reason.
        """
        node = self.run.timeline.node(place.node)
        if node.step >= place.settings.num_steps and not is_over(node):
            raise ConfigError(
                f"{node.step} steps are done already, so the run cannot end after {place.settings.num_steps}: rewind it first, "
                "or take more steps."
            )
        self.run.check(place.settings)

    def begin_again(self, settings: Settings) -> None:
        """Go to a new first state on a branch of its own."""
        node = self.run.begin(settings, parent=self.position.node)
        self._remember()
        line = self.run.timeline.fork(node.id, node.settings)
        self.position = Position(node=node.id, branch=line.id, settings=node.settings)

    def undo(self) -> None:
        """Go back to where the last change was made, without it.

        Raises:
            NotNow: when nothing was changed.
        """
        self._done = self._still_there(self._done)
        if not self._done:
            raise NotNow("There is nothing to undo.")
        former = self._done.pop()
        self._last = None
        self._undone.append(self.position)
        self._restore(former)

    def redo(self) -> None:
        """Take the last undo back.

        Raises:
            NotNow: when nothing was undone.
        """
        self._undone = self._still_there(self._undone)
        if not self._undone:
            raise NotNow("There is nothing to redo.")
        later = self._undone.pop()
        self._last = None
        self._done.append(self.position)
        self._restore(later)

    @property
    def remembered(self) -> tuple[list[Position], list[Position]]:
        """Where undo leads, and where redo does; the last of each first to be met."""
        return self._still_there(self._done), self._still_there(self._undone)

    def recall(self, done: list[Position], undone: list[Position]) -> None:
        """Take over what an earlier cursor remembered, see `remembered`."""
        self._last = None
        self._done, self._undone = list(done), list(undone)

    def _still_there(self, places: list[Position]) -> list[Position]:
        """Without those that went with a branch, whoever deleted it."""
        timeline = self.run.timeline
        return [one for one in places if one.branch in timeline.branches and one.node in timeline.nodes]

    def _remember(self, part_of: Hashable | None = None) -> None:
        if part_of is None or part_of != self._last:
            self._done = [*self._done[1 - MOST_REMEMBERED :], self.position]
        self._last = part_of
        self._undone.clear()

    def _restore(self, position: Position) -> None:
        timeline = self.run.timeline
        self.position = position
        if position.following:
            return
        line = timeline.branch(position.branch)
        if line.tip == position.node and line.id not in self.branches_of_others:
            timeline.change(line.id, position.settings)
        elif line.tip == position.node or timeline.after(line.id, position.node) is not None:
            # the branch is somebody else's too, or has grown under the settings that are taken back: this future gets its own
            self.branch_off()

    def _position(self, node: int, branch: int) -> Position:
        """How a state of a branch is met: with what is in force there, which before the tip is what made the state after it."""
        timeline = self.run.timeline
        line, after = timeline.branch(branch), timeline.after(branch, node)
        if after is None:
            return Position(node=node, branch=branch, settings=line.settings)
        made = after if after.origin == "step" else timeline.node(node)
        return Position(node=node, branch=branch, settings=made.settings, following=True)


def is_over(node: Node) -> bool:
    """Whether a state is a finished picture."""
    return node.step >= node.settings.num_steps
