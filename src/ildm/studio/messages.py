"""The protocol of the socket: what a client says, and what it hears. A message is an `Envelope`; its header is one of these.

A client says `hello`, then anything, in any order. Every message that changes something carries `op`, a number the client chooses;
the event that answers it carries the same number, to this client alone. A message sent twice acts once.

A client acknowledges what it has dealt with: at most two frames and `EVENT_CREDIT` events are under way to it at a time. A newer frame
takes the place of one that still waits; an event is never left out.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ildm.session.commands import (
    BranchOff,
    Cancel,
    Command,
    NameBranch,
    NameNode,
    Pause,
    Resume,
    Rewind,
    SetPreviewRate,
    Step,
    StepOnce,
)
from ildm.session.events import AnyEvent
from ildm.session.service.messages import Opening, SessionId
from ildm.session.view import Place, SessionView, Tree
from ildm.session.wire import BranchId, Count, Name, NodeId, Strict
from ildm.studio.refusals import Code

FRAME_CREDIT = 2
EVENT_CREDIT = 256
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""What a client calls itself, by chance; the same after a lost connection."""


# --- a client says -------------------------------------------------------------------------------------------------------


class Hello(Strict):
    """The first message, and again to look at another session.

    Args:
        session: the one to follow; None = none yet.
        epoch, last_seq: of the `welcome` and the last event that this client has, so that it gets the later ones.
    """

    type: Literal["hello"] = "hello"
    client: ClientId
    session: SessionId | None = None
    epoch: str | None = None
    last_seq: Count | None = None


class Asked(Strict):
    """The root of what is answered: `op` is a number that the client chooses."""

    op: Count


class StartSession(Asked):
    """Begin a session and follow it."""

    type: Literal["start"] = "start"
    opening: Opening


class Edit(Asked):
    """Have any command act.

    Args:
        session: the one that is meant; where another is followed by then, the edit is refused. None = whichever is followed.
        base_rev: the revision that the person saw; where somebody else has changed the same thing since, the edit is refused as "stale".
            None = whatever has happened.
    """

    type: Literal["edit"] = "edit"
    session: SessionId | None = None
    base_rev: Count | None = None
    set: Command


class MaskStroke(Asked):
    """Paint into a region's mask, or erase. The payload is the patch's rows, one byte a pixel, deflated (zlib).

    Args:
        session: see `Edit`.
        stroke: see `ildm.session.commands.PaintRegion`.
    """

    type: Literal["mask"] = "mask"
    session: SessionId | None = None
    region: Name
    left: Annotated[int, Field(ge=0, le=4096)]
    top: Annotated[int, Field(ge=0, le=4096)]
    width: Annotated[int, Field(ge=1, le=4096)]
    height: Annotated[int, Field(ge=1, le=4096)]
    erase: bool = False
    stroke: Count | None = None


class PauseRun(Asked):
    """See `ildm.session.commands.Pause`; the following likewise."""

    type: Literal["pause"] = "pause"


class ResumeRun(Asked):
    """`Resume`."""

    type: Literal["resume"] = "resume"


class StepRun(Asked):
    """`StepOnce`."""

    type: Literal["step"] = "step"


class CancelRun(Asked):
    """`Cancel`."""

    type: Literal["cancel"] = "cancel"


class RewindRun(Asked):
    """`Rewind`."""

    type: Literal["rewind"] = "rewind"
    step: Step


class BranchRun(Asked):
    """`BranchOff`."""

    type: Literal["branch"] = "branch"
    step: Step | None = None
    name: Name | None = None


class Rate(Asked):
    """`SetPreviewRate`."""

    type: Literal["rate"] = "rate"
    every: Annotated[int, Field(ge=0, le=1000)]


class Annotate(Asked):
    """Name a state (`NameNode`) or a branch (`NameBranch`); one of the two is given."""

    type: Literal["annotate"] = "annotate"
    node: NodeId | None = None
    branch: BranchId | None = None
    name: Name | None = None


class Ack(Strict):
    """All events up to `seq`, and all frames up to number `frame`, have been dealt with."""

    type: Literal["ack"] = "ack"
    seq: Count | None = None
    frame: Count | None = None


ClientMessage = Annotated[
    Hello
    | StartSession
    | Edit
    | MaskStroke
    | PauseRun
    | ResumeRun
    | StepRun
    | CancelRun
    | RewindRun
    | BranchRun
    | Rate
    | Annotate
    | Ack,
    Field(discriminator="type"),
]


def command_of(message: Any) -> Command | None:
    """The command behind one of the short messages; None where there is none."""
    match message:
        case PauseRun():
            return Pause()
        case ResumeRun():
            return Resume()
        case StepRun():
            return StepOnce()
        case CancelRun():
            return Cancel()
        case RewindRun(step=step):
            return Rewind(step=step)
        case BranchRun(step=step, name=name):
            return BranchOff(step=step, name=name)
        case Rate(every=every):
            return SetPreviewRate(every=every)
        case Annotate(node=int(node), branch=None, name=name):
            return NameNode(node=node, name=name)
        case Annotate(node=None, branch=int(branch), name=name):
            return NameBranch(branch=branch, name=name)
        case _:
            return None


# --- a client hears ------------------------------------------------------------------------------------------------------


class Welcome(Strict):
    """The answer to `hello` and `start`, and what comes after everything was lost: forget what you know, this is how it is.

    Args:
        epoch: of the numbers of the events; another one means that some of them have been lost.
        view: None where no session is followed, or it waits for its turn, or has failed to begin.
        waiting: its place in the queue, from 1.
        problem: why it has failed to begin.
    """

    type: Literal["welcome"] = "welcome"
    session: SessionId | None = None
    op: Count | None = None
    epoch: str | None = None
    view: SessionView | None = None
    waiting: Count | None = None
    problem: str | None = None


class Told(Strict):
    """Something has happened. `event` is one of the session's log, with its `seq`; `rev` counts the commands that have acted by then.

    Args:
        op: the number of this client's message that it answers.
    """

    type: Literal["event"] = "event"
    rev: Count
    op: Count | None = None
    event: AnyEvent


class MovedTo(Strict):
    """Where the session stands after `place.seq` events, when that is not what its steps come to; `tree` when it has not only grown."""

    type: Literal["moved"] = "moved"
    place: Place
    tree: Tree | None = None


class FrameHeader(Strict):
    """A picture of a state; the payload is its file.

    Args:
        number: to be acknowledged, from 1.
        step, branch, rev: of the state.
        at: when it was made, seconds since 1970.
    """

    type: Literal["frame"] = "frame"
    number: Count
    session: SessionId
    node: NodeId
    step: Count
    branch: BranchId
    rev: Count
    format: Literal["jpeg"] = "jpeg"
    width: Count
    height: Count
    at: float


class Failure(Strict):
    """Something that this client asked for cannot be done (`op`), or something has happened to the server."""

    type: Literal["error"] = "error"
    code: Code
    text: str
    op: Count | None = None


class Bye(Strict):
    """The server closes this connection, and why."""

    type: Literal["bye"] = "bye"
    reason: str


ServerMessage = Annotated[Welcome | Told | MovedTo | FrameHeader | Failure | Bye, Field(discriminator="type")]
