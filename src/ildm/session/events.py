"""What has happened in a session: its log. The log alone rebuilds every state, see `ildm.session.replay`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer

from ildm.session.commands import (
    BranchOff,
    Command,
    Compare,
    DislikeArea,
    OpenBranch,
    OpenNode,
    Redo,
    RedoArea,
    Rewind,
    StartFromImage,
    StartOver,
    Undo,
)
from ildm.session.settings import Settings
from ildm.session.wire import BlobId, BranchId, Count, Message, NodeId, Strict, Text

LEADS_ELSEWHERE = (
    Rewind,
    OpenNode,
    OpenBranch,
    BranchOff,
    Undo,
    Redo,
    StartOver,
    StartFromImage,
    RedoArea,
    DislikeArea,
    Compare,
)
"""Commands that do not say by themselves which settings are in force after them: they go elsewhere, take back or begin anew."""

RejectionCode = Literal["bad-value", "not-now", "superseded", "unsupported", "failed"]


class ExecutionShape(Strict):
    """What a bit-exact repetition needs to be the same: rounding depends on it."""

    device: str
    dtype: str
    threads: Count
    torch: str
    compiled: bool = False
    ildm: str = ""


class Event(Message):
    """The root of events.

    Args:
        seq: its place in the session's log, from 0 without a gap.
        at: seconds since 1970, for people; nothing is computed from it.
        cursor: whose it is, when several places of one tree are worked on.
    """

    seq: Count
    at: float = 0.0
    cursor: Count = 0


class SessionOpened(Event):
    """The first event. `model` is the name it loads by, `model_hash` says whether it is the same one."""

    kind: Literal["session-opened"] = "session-opened"
    model: Text
    model_hash: BlobId
    settings: Settings
    shape: ExecutionShape


class CommandApplied(Event):
    """A command acts from here on.

    Args:
        op: the number under which it was sent.
        received_step, applied_step: how many steps were done when it came and when it took effect.
        node: the state at which it took effect.
        left: the settings in force after it, where it is one of `LEADS_ELSEWHERE`; None for all others, which say what they change, and
            in logs from before this was told. Nothing is made by it: it is for readers that have no tree.
    """

    kind: Literal["command-applied"] = "command-applied"
    op: Count
    command: Command
    received_step: Count
    applied_step: Count
    node: NodeId
    left: Settings | None = None

    @model_serializer(mode="wrap")
    def _short(self, dump: Callable[[CommandApplied], dict[str, Any]]) -> dict[str, Any]:
        """Without `left` where there is none: so logs from before keep their bytes, and their hashes."""
        return {name: value for name, value in dump(self).items() if name != "left" or value is not None}


class CommandRejected(Event):
    """A command does not act, and why."""

    kind: Literal["command-rejected"] = "command-rejected"
    op: Count
    code: RejectionCode
    text: str


class StepCompleted(Event):
    """One step further. `fresh` is False where a rewound run passes states it already has."""

    kind: Literal["step-completed"] = "step-completed"
    node: NodeId
    parent: NodeId
    branch: BranchId
    step: Count
    num_steps: Count
    fresh: bool = True
    seconds: float = 0.0


class StateSaved(Event):
    """A state lies safely on the disk: it survives whatever happens to the process."""

    kind: Literal["state-saved"] = "state-saved"
    node: NodeId


class CursorMoved(Event):
    """The run stands elsewhere: after a rewind, a branch, an undo, or when a new cursor begins."""

    kind: Literal["cursor-moved"] = "cursor-moved"
    node: NodeId
    branch: BranchId
    step: Count


class CursorLeft(Event):
    """This cursor is no more, and nothing of the tree is held for it: where the tree was made it had a session of its own."""

    kind: Literal["cursor-left"] = "cursor-left"


class RunFinished(Event):
    """A branch has made all its steps. `latent_hash` is of the final latent's bytes, `image_hash` of the picture's RGB rows."""

    kind: Literal["run-finished"] = "run-finished"
    node: NodeId
    branch: BranchId
    latent_hash: BlobId
    image_hash: BlobId


class RunPaused(Event):
    """No step is made until `resume`. `reason` where it was not asked for."""

    kind: Literal["run-paused"] = "run-paused"
    reason: str | None = None


class RunResumed(Event):
    """Steps are made again."""

    kind: Literal["run-resumed"] = "run-resumed"


class RunCancelled(Event):
    """The run ended before its last step, as asked."""

    kind: Literal["run-cancelled"] = "run-cancelled"


class RunFailed(Event):
    """This run cannot go on; others can."""

    kind: Literal["run-failed"] = "run-failed"
    text: str


AnyEvent = Annotated[
    SessionOpened
    | CommandApplied
    | CommandRejected
    | StepCompleted
    | StateSaved
    | CursorMoved
    | CursorLeft
    | RunFinished
    | RunPaused
    | RunResumed
    | RunCancelled
    | RunFailed,
    Field(discriminator="kind"),
]
"""Any event."""
