"""The tree of states: nodes that never change, and branches that grow along them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from ildm.core.errors import ConfigError, MissingError
from ildm.session.settings import Settings

Origin = Literal["start", "step"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One state of a run, as far as it can be told without tensors.

    Args:
        id: counted from 0 in the order of making.
        parent: the state it came from; None for the first of a tree. A "start" may have one: where a person stood when asking for it.
        step: how many steps are done.
        origin: "step" = one step from its parent; "start" = made from its settings alone.
        settings: those that made it.
        name: given by a person.
    """

    id: int
    parent: int | None
    step: int
    origin: Origin
    settings: Settings
    name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A way through the tree.

    Args:
        id: counted from 0.
        tip: its last node so far.
        settings: in force at the tip, for the step after it.
        name: given by a person.
    """

    id: int
    tip: int
    settings: Settings
    name: str | None = None


class Timeline:
    """Nodes and branches by number. It knows no tensor; `Snapshots` holds those."""

    def __init__(self) -> None:
        self.nodes: dict[int, Node] = {}
        self.branches: dict[int, Branch] = {}
        self._next_node = 0
        self._next_branch = 0

    @property
    def num_nodes(self) -> int:
        """How many there have been, the deleted ones among them: the number of the next one."""
        return self._next_node

    @property
    def num_branches(self) -> int:
        """How many there have been, the deleted ones among them."""
        return self._next_branch

    def node(self, number: int) -> Node:
        """The node of that number.

        Raises:
            ConfigError: when there is none.
        """
        if number not in self.nodes:
            raise MissingError(f"This session has no state {number}: it may have gone with a deleted branch.")
        return self.nodes[number]

    def branch(self, number: int) -> Branch:
        """The branch of that number.

        Raises:
            ConfigError: when there is none.
        """
        if number not in self.branches:
            raise ConfigError(f"This session has no branch {number}: known are {', '.join(map(str, self.branches))}.")
        return self.branches[number]

    def begin(self, parent: int | None, settings: Settings) -> Node:
        """A node made from its settings alone."""
        step = settings.start.step if settings.start else 0
        return self._add(Node(id=self._next_node, parent=parent, step=step, origin="start", settings=settings))

    def grow(self, branch: int, settings: Settings) -> Node:
        """One step from the tip of a branch, which moves on to it."""
        line = self.branch(branch)
        parent = self.node(line.tip)
        node = self._add(Node(id=self._next_node, parent=parent.id, step=parent.step + 1, origin="step", settings=settings))
        self.branches[branch] = replace(line, tip=node.id, settings=settings)
        return node

    def fork(self, node: int, settings: Settings, name: str | None = None) -> Branch:
        """A new branch whose tip is `node`."""
        line = Branch(id=self._next_branch, tip=self.node(node).id, settings=settings, name=name)
        self.branches[line.id] = line
        self._next_branch += 1
        return line

    def change(self, branch: int, settings: Settings) -> None:
        """Put other settings in force at a branch's tip."""
        self.branches[branch] = replace(self.branch(branch), settings=settings)

    def name_node(self, number: int, name: str | None) -> None:
        """Name a node, or take its name away."""
        self.nodes[number] = replace(self.node(number), name=name)

    def name_branch(self, number: int, name: str | None) -> None:
        """Name a branch, or take its name away."""
        self.branches[number] = replace(self.branch(number), name=name)

    def delete(self, branch: int) -> list[int]:
        """Forget a branch. Returns the nodes that went with it: those on no other branch's way.

        Raises:
            ConfigError: when it is the only one.
        """
        if len(self.branches) == 1:
            raise ConfigError("The only branch of a session cannot be deleted: make another first, or delete the session.")
        gone = {node.id for node in self.ancestry(self.branch(branch).tip)}
        del self.branches[branch]
        for line in self.branches.values():
            gone -= {node.id for node in self.ancestry(line.tip)}
        for number in gone:
            del self.nodes[number]
        return sorted(gone)

    def ancestry(self, number: int) -> Iterator[Node]:
        """A node and all it came from, the node itself first."""
        node: Node | None = self.node(number)
        while node is not None:
            yield node
            node = None if node.parent is None else self.nodes[node.parent]

    def way(self, branch: int) -> list[Node]:
        """The nodes of a branch, from the first of the tree to the tip."""
        return list(self.ancestry(self.branch(branch).tip))[::-1]

    def after(self, branch: int, node: int) -> Node | None:
        """The node that follows `node` on a branch; None at the tip or off the branch."""
        former: Node | None = None
        for one in self.ancestry(self.branch(branch).tip):
            if one.id == node:
                return former
            former = one
        return None

    def at_step(self, branch: int, step: int) -> Node:
        """The latest node of a branch with so many steps done.

        Raises:
            ConfigError: when the branch has none.
        """
        steps = []
        for node in self.ancestry(self.branch(branch).tip):
            if node.step == step:
                return node
            steps.append(node.step)
        raise ConfigError(f"This branch has the states after {min(steps)} to {max(steps)} steps, but {step} was asked for.")

    def branch_through(self, node: int, preferred: int) -> Branch:
        """A branch whose way leads through a node: the preferred one, or the oldest.

        Raises:
            ConfigError: when there is none.
        """
        self.node(node)
        for number in (preferred, *self.branches):
            if number in self.branches and any(one.id == node for one in self.ancestry(self.branches[number].tip)):
                return self.branches[number]
        raise ConfigError(f"No branch leads through state {node}.")

    def restore(self, nodes: list[Node], branches: list[Branch], *, num_nodes: int = 0, num_branches: int = 0) -> None:
        """Take over what was kept, in place of what is here.

        Args:
            num_nodes, num_branches: how many there have been at least; the numbers of deleted ones stay taken.
        """
        self.nodes = {node.id: node for node in nodes}
        self.branches = {line.id: line for line in branches}
        self._next_node = max(num_nodes, max(self.nodes, default=-1) + 1)
        self._next_branch = max(num_branches, max(self.branches, default=-1) + 1)

    def _add(self, node: Node) -> Node:
        self.nodes[node.id] = node
        self._next_node += 1
        return node
