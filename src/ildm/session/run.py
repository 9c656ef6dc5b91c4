"""A live run: the tree of its states, and cursors that walk and grow it. No clock, no thread: the same commands at the same steps
give the same tree.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image as PILImage

from ildm.core.errors import ProtocolError
from ildm.core.picture import to_bytes, to_picture
from ildm.core.types import Latent
from ildm.model import Model
from ildm.sampler.state import SamplerState
from ildm.session.blobs import Blobs
from ildm.session.conditions import Conditions
from ildm.session.kept_pixels import KeptPixels
from ildm.session.refusals import NotNow
from ildm.session.settings import Settings
from ildm.session.shown import Finish, completed, preview_finish
from ildm.session.snapshots import KEPT_EVERY, Snapshots
from ildm.session.steering import Steering, estimate_of
from ildm.session.timeline import Node, Timeline
from ildm.session.wire import Mask

SNAPSHOT_BUDGET = 256 * 2**20


class Run:
    """The states of one session, however they came about.

    `places` says on which branch each of its cursors is, by their numbers. `kept` reads a state that lies elsewhere, or says None.

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
        self.places: dict[int, Callable[[], int]] = {}
        self.kept: Callable[[int], SamplerState | None] = lambda _: None
        self._kept_pixels = KeptPixels(model, self.blobs)
        self._finish: tuple[object, Finish | None] = (None, None)

    def check(self, settings: Settings) -> None:
        """Find out whether settings can be followed, before they act.

        Raises:
            ConfigError, ShapeError: when they cannot, with the reason.
        """
        self.steering.check(settings)

    def check_dislike(self, settings: Settings, area: Mask | None) -> None:
        """Find out whether a dislike of an area, None = of all, would do anything.

        Raises:
            ConfigError: when it would not.
        """
        self.steering.check_dislike(settings, area)

    def begin(self, settings: Settings, parent: int | None = None) -> Node:
        """A new first state. The parent only says where a person stood.

        Raises:
            ConfigError, ShapeError: when the settings cannot be followed.
        """
        self.check(settings)
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
        """The state at a node, from where it was kept or computed again from the nearest one that was."""
        missing: list[Node] = []
        state: SamplerState | None = None
        for one in self.timeline.ancestry(node):
            state = self.known(one.id)
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

    def known(self, node: int) -> SamplerState | None:
        """The state at a node where it need not be computed: from memory, or from where it was kept."""
        state = self.snapshots.get(node)
        if state is None:
            state = self.kept(node)
            if state is not None:
                self.snapshots.put(node, state)
        return state

    def read_all(self) -> None:
        """Read the states that lie elsewhere into memory, as many as fit, and look there no more."""
        for node in self.timeline.nodes:
            self.known(node)
        self.kept = lambda _: None

    def first_step(self, branch: int) -> int:
        """How many steps count as done where the latest start on a branch lies."""
        return next(node.step for node in self.timeline.way(branch)[::-1] if node.origin == "start")

    def estimate(self, node: int) -> Latent:
        """The picture behind a state as a latent: the final one, or the last step's data estimate.

        Raises:
            NotNow: before the first step of a run that began with noise.
        """
        estimate = estimate_of(self.state(node))
        if estimate is None:
            raise NotNow("There is nothing to see yet: make a step first.")
        return estimate

    @torch.inference_mode()
    def picture(self, node: int) -> PILImage.Image:
        """The picture behind a state, decoded whole; grey before the first step. What is kept to the end, or lies outside a hole, stays."""
        estimate = estimate_of(self.state(node))
        settings = self.timeline.node(node).settings
        if estimate is None:
            return PILImage.new("RGB", settings.size, (127, 127, 127))
        drawn = self._kept_pixels.over(settings, to_picture(to_bytes(self.model.decode(estimate))[0]))
        return completed(self.model, self.blobs, settings, drawn)

    def preview_finish(self, node: int) -> Finish | None:
        """What is done to a preview of a state before anybody sees it; None = nothing."""
        settings = self.timeline.node(node).settings
        given = (settings.shown, settings.hole)
        if self._finish[0] != given:  # one for many previews, which all need the picture small
            self._finish = (given, preview_finish(self.model, self.blobs, settings))
        return self._finish[1]

    def delete(self, branch: int) -> list[int]:
        """Forget a branch and the states that only it needs."""
        gone = self.timeline.delete(branch)
        self.snapshots.drop(gone)
        return gone

    def _stepped(self, state: SamplerState, settings: Settings) -> SamplerState:
        self.steps_computed += 1
        return self.steering.step(state, settings)


def _known(state: SamplerState | None) -> SamplerState:
    if state is None:
        raise ProtocolError("The session's log begins in the middle: the state it goes on from is not there.")
    return state
