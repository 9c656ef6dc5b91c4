"""What is asked of an engine's process, and what it tells. Torch-free, so that whoever asks needs no model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ildm.session.commands import Command, Picture
from ildm.session.region_commands import ReplaceRegions
from ildm.session.storage.records import Status
from ildm.session.view import Place, SessionView, Tree
from ildm.session.wire import Count, Guidance, Mask, Name, NodeId, NumSteps, Seed, Share, Side, Strict, Text

SessionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
ProblemCode = Literal["bad-value", "not-found", "not-now", "unsupported", "busy", "failed"]
PictureForm = Literal["png", "jpeg", "session-png"]


class Opening(Strict):
    """How a session begins; None = as the model has it by default.

    Args:
        model: one of those that are known by name.
        regions: what is painted before the first step.
        image: where the run starts instead of from noise; `strength` and `change_map` as in `StartFromImage`.
        paused: whether it waits for `resume` or `step-once` before its first step.
    """

    model: Name | None = None
    prompt: Text = ""
    negative_prompt: Text = ""
    num_steps: NumSteps | None = None
    guidance_scale: Guidance | None = None
    sampler: Name | None = None
    seed: Seed | None = None
    width: Side | None = None
    height: Side | None = None
    regions: ReplaceRegions | None = None
    image: Picture | None = None
    strength: Share = 0.6
    change_map: Mask | None = None
    paused: bool = False


# --- asked ---------------------------------------------------------------------------------------------------------------


class OpenSession(Strict):
    """Begin a session. It is told how it is (`Seen`) before the answer comes."""

    ask: Literal["open"] = "open"
    session: SessionId
    owner: str
    model: Name
    opening: Opening


class ResumeSession(Strict):
    """Take a stored session up where it was saved; `status` as for `Engine.resume`. Answered like `OpenSession`."""

    ask: Literal["resume"] = "resume"
    session: SessionId
    status: Status | None = None


class CloseSession(Strict):
    """Let a session go from memory, as `Engine.close_session` does."""

    ask: Literal["close"] = "close"
    session: SessionId
    keep: bool = True


class Submit(Strict):
    """Have a command act. Its answer only says that it was taken; the log says what has become of it."""

    ask: Literal["submit"] = "submit"
    session: SessionId
    op: Count
    command: Command


class DrawPicture(Strict):
    """The picture behind a state, None = where the session stands: whole ("png"), as a preview ("jpeg"), or with all that
    restores the session in it ("session-png")."""

    ask: Literal["draw"] = "draw"
    session: SessionId
    node: NodeId | None = None
    form: PictureForm = "png"


class DrawThumbnail(Strict):
    """A preview ("jpeg") of a state, None = where the session stands, for a list: of a session that is open, or of a stored one whose
    model is in memory. Nothing is loaded or taken up for it."""

    ask: Literal["thumbnail"] = "thumbnail"
    session: SessionId
    node: NodeId | None = None


class DrawWord(Strict):
    """Where a word of the prompt acts at a state, None = where the session stands: a grey PNG of the picture's size."""

    ask: Literal["word"] = "word"
    session: SessionId
    word: Annotated[str, Field(min_length=1, max_length=200)]
    node: NodeId | None = None


class ListModels(Strict):
    """What can be loaded by name."""

    ask: Literal["models"] = "models"


class Stop(Strict):
    """Finish the steps in flight, keep all there is, and end."""

    ask: Literal["stop"] = "stop"


Request = Annotated[
    OpenSession | ResumeSession | CloseSession | Submit | DrawPicture | DrawThumbnail | DrawWord | ListModels | Stop,
    Field(discriminator="ask"),
]


# --- told ----------------------------------------------------------------------------------------------------------------


class Problem(Strict):
    """Why something that was asked cannot be done."""

    code: ProblemCode
    text: str


class Ready(Strict):
    """The default model is loaded."""

    tell: Literal["ready"] = "ready"
    model: str
    device: str
    seconds: float


class Answer(Strict):
    """To the request of that number; bytes that were asked for are the message's payload."""

    tell: Literal["answer"] = "answer"
    request: Count
    problem: Problem | None = None
    value: Any = None


class Seen(Strict):
    """A session has been opened or taken up: how it is now, and its events until now; the later ones follow, one by one."""

    tell: Literal["seen"] = "seen"
    view: SessionView
    events: list[dict[str, Any]]


class Happened(Strict):
    """An event of a session."""

    tell: Literal["happened"] = "happened"
    session: SessionId
    event: dict[str, Any]


class Moved(Strict):
    """A session stands elsewhere, or its settings are others; a step further is not told. `tree` where it has not only grown."""

    tell: Literal["moved"] = "moved"
    session: SessionId
    place: Place
    tree: Tree | None = None


class Framed(Strict):
    """A preview; the JPEG is the message's payload. `dropped`: how many frames were overtaken so far, of all sessions."""

    tell: Literal["framed"] = "framed"
    session: SessionId
    node: NodeId
    width: Count
    height: Count
    at: float
    dropped: Count = 0
