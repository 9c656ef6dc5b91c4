"""What the HTTP API takes and gives, by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ildm.session.storage.records import Status
from ildm.session.wire import Count, Name, Text
from ildm.studio.messages import ClientId
from ildm.studio.refusals import Code


class Form(BaseModel):
    """A value that is checked when it comes from outside."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ErrorBody(Form):
    """Why something cannot be done: `code` for programs, `text` for people."""

    code: Code
    text: str


class ErrorAnswer(Form):
    """Every answer of a status from 400 on."""

    error: ErrorBody


class ServerInfo(Form):
    """What this server is and allows."""

    name: Literal["ildm"] = "ildm"
    version: str
    ready: bool
    problem: str | None = None
    model: str
    user: str
    limits: dict[str, int]


class Shows(Form):
    """What a model is shown beside the prompt, by the command `show-image`: a map of the classes `names` (numbered from 1, 0 is the
    background), a small picture to be drawn `factor` times larger, or a picture to draw into."""

    kind: Literal["semantic-map", "low-resolution", "inpainting"]
    names: list[str] = Field(default_factory=list)
    factor: int | None = None


class ModelInfo(Form):
    """A model that can be named in an opening; `problem` where it cannot be used.

    `width`, `height`, `num_steps`, `guidance_scale` and `sampler` are what a session has by default; sizes are multiples of `stride`.
    `reads` is what a prompt is: words, one of the `classes`, or boxes with one of them each; None = it must be empty.
    """

    id: str
    summary: str = ""
    problem: str | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    num_steps: int | None = None
    guidance_scale: float | None = None
    sampler: str | None = None
    concepts: list[str] = Field(default_factory=list)
    reads: Literal["text", "class", "layout"] | None = "text"
    classes: list[str] = Field(default_factory=list)
    shows: Shows | None = None


class SessionItem(Form):
    """A session as a list shows it; times in seconds since 1970. `waiting` is its place in the queue."""

    id: str
    title: str = ""
    model: str = ""
    status: Status | Literal["waiting", "opening"]
    created: float | None = None
    updated: float | None = None
    num_states: int = 0
    bytes: int = 0
    waiting: int | None = None


class SessionList(Form):
    """Sessions, the one that changed last first; `total` counts all that were found."""

    sessions: list[SessionItem]
    total: int


class Title(Form):
    """What a person calls a session."""

    title: Annotated[Text, Field(min_length=1, examples=["The fox with the umbrella"])]


class EditRequest(Form):
    """A command (see the schema `Command`). Where it has a picture or a mask, `{"upload": ID}` may stand for it.

    Args:
        base_rev: the revision that the person saw; where somebody else has changed the same thing since, the edit is refused as "stale".
        client, op: a name and a number of your choice, both or neither: the same two act once, however often they come.
        wait: seconds to wait until it acts, 30 at most; 0 = not at all.
    """

    command: Annotated[dict[str, Any], Field(examples=[{"kind": "set-prompt", "text": "a lion on a plain green background"}])]
    base_rev: Count | None = None
    client: ClientId | None = None
    op: Count | None = None
    wait: Annotated[float, Field(ge=0.0, le=30.0)] = 10.0


class EditAnswer(Form):
    """What has become of a command: "applied" after `step` steps, on the state `node`; or "taken", when it does not act yet."""

    number: int
    state: Literal["applied", "taken"]
    step: int | None = None
    node: int | None = None
    rev: int


class EventList(Form):
    """Events of a session's log, as `AnyEvent` in the schema of messages."""

    events: list[dict[str, Any]]


class UploadInfo(Form):
    """A file that was taken, by the number under which it can be used; sizes in pixels and bytes."""

    id: str
    width: int
    height: int
    bytes: int


class PictureToRestore(Form):
    """A picture that was sent before."""

    upload: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class RestoreAnswer(Form):
    """What a picture restores: `session` is the one that it carries, which is among yours now; where it carries none, `opening` has the
    fields of an `Opening` that it names, or is null where it says nothing.

    `missing` names what it was made with that is not here: the `model`, or the `sampler`.
    """

    session: str | None = None
    opening: dict[str, Any] | None = None
    missing: dict[str, str] | None = None


class PresetItem(Form):
    """A preset as a list shows it: a person's own, or one that comes with ildm."""

    kind: Literal["regions", "settings"]
    name: str
    origin: Literal["own", "shipped"]
    problem: str | None = None


class PresetList(Form):
    """All presets."""

    presets: list[PresetItem]


class PresetBody(Form):
    """What a preset is: its content, or a session whose regions or settings it takes as they are now.

    Args:
        content: of "regions", the form that `ildm regions export` writes; of "settings", some fields of an opening.
        replace: whether another one of that name may go for it.
    """

    content: dict[str, Any] | None = None
    session: Name | None = None
    replace: bool = False


class PresetContent(Form):
    """A preset, whole."""

    kind: Literal["regions", "settings"]
    name: str
    content: dict[str, Any]


class NewName(Form):
    """Another name for a preset."""

    name: Name


class LaunchLink(Form):
    """A path that opens the studio in a browser, once, within a day."""

    path: str


class Health(Form):
    """`status` is "ok", or why the server is not ready."""

    status: str
