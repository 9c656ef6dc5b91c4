"""What a person can ask of a run. Commands are imperative; the matching events are in the past tense.

A command acts at the first step boundary after it is ready: all are ready at once but those whose prompt must be encoded first.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ildm.session.area_commands import DislikeArea, ForgetFeedback, LikeArea, LockArea, RedoArea, ReleaseArea
from ildm.session.region_commands import (
    AddRegion,
    AddRegionFromWord,
    ChangeRegion,
    PaintRegion,
    RemoveRegion,
    ReorderRegions,
    ReplaceRegions,
    SetRegionRules,
)
from ildm.session.wire import (
    MAX_IMAGE_BYTES,
    BranchId,
    Guidance,
    Mask,
    Message,
    Name,
    NodeId,
    NumSteps,
    Seed,
    Share,
    Side,
    Text,
)

MAX_CHOICES = 64

Picture = Annotated[bytes, Field(min_length=1, max_length=MAX_IMAGE_BYTES)]
Step = Annotated[int, Field(ge=0, le=1000)]


class SetPrompt(Message):
    """Say something else from the next step on."""

    kind: Literal["set-prompt"] = "set-prompt"
    text: Text


class SetNegativePrompt(Message):
    """Move away from something else."""

    kind: Literal["set-negative-prompt"] = "set-negative-prompt"
    text: Text


class SetGuidance(Message):
    """Follow the words more or less strongly. `rescale` None = as it is."""

    kind: Literal["set-guidance"] = "set-guidance"
    scale: Guidance
    rescale: Share | None = None


class SetSampler(Message):
    """Solve the remaining steps by another method."""

    kind: Literal["set-sampler"] = "set-sampler"
    name: Name


class SetNumSteps(Message):
    """Spread the remaining noise over so many steps that the run has `num_steps` in all."""

    kind: Literal["set-num-steps"] = "set-num-steps"
    num_steps: NumSteps


class Pause(Message):
    """Stop after the step in flight."""

    kind: Literal["pause"] = "pause"


class Resume(Message):
    """Go on."""

    kind: Literal["resume"] = "resume"


class StepOnce(Message):
    """Make one step, then pause."""

    kind: Literal["step-once"] = "step-once"


class Cancel(Message):
    """End the run where it is; all that was made stays."""

    kind: Literal["cancel"] = "cancel"


class Rewind(Message):
    """Go to the state after `step` steps of this branch, back or forth. Without a change the run then repeats itself exactly.

    What was changed, locked or judged over the finished picture goes along, on a branch of its own.
    """

    kind: Literal["rewind"] = "rewind"
    step: Step


class OpenNode(Message):
    """Go to any state of the tree."""

    kind: Literal["open-node"] = "open-node"
    node: NodeId


class OpenBranch(Message):
    """Go to the last state of a branch."""

    kind: Literal["open-branch"] = "open-branch"
    branch: BranchId


class BranchOff(Message):
    """Begin another future at a step of this branch, and go there. `step` None = here."""

    kind: Literal["branch-off"] = "branch-off"
    step: Step | None = None
    name: Name | None = None


class NameNode(Message):
    """Give a state a name; None takes it away."""

    kind: Literal["name-node"] = "name-node"
    node: NodeId
    name: Name | None


class NameBranch(Message):
    """Give a branch a name; None takes it away."""

    kind: Literal["name-branch"] = "name-branch"
    branch: BranchId
    name: Name | None


class DeleteBranch(Message):
    """Forget a branch, and the states that no other branch needs."""

    kind: Literal["delete-branch"] = "delete-branch"
    branch: BranchId


class Undo(Message):
    """Go back to where the last change was made, without it."""

    kind: Literal["undo"] = "undo"


class Redo(Message):
    """Take the last undo back."""

    kind: Literal["redo"] = "redo"


class StartOver(Message):
    """Begin a new branch from noise. None = as before. What is locked stays, unless the size changes."""

    kind: Literal["start-over"] = "start-over"
    seed: Seed | None = None
    width: Side | None = None
    height: Side | None = None


class StartFromImage(Message):
    """Begin a new branch from a picture.

    Args:
        image: a PNG, JPEG or WebP file of the picture, scaled to the run's size.
        strength: how much of the run is made anew: 0 keeps the picture, 1 keeps nothing.
        change_map: where the picture may change, 255 = fully; multiplied by `strength`. None = everywhere.
    """

    kind: Literal["start-from-image"] = "start-from-image"
    image: Picture
    strength: Share = 0.6
    change_map: Mask | None = None


class ShowImage(Message):
    """Show the model something else beside the prompt, from the next step on.

    Args:
        image: a PNG, JPEG or WebP file of the picture to draw into or to draw larger, or a PNG file of the map to draw by, each pixel the
            number of its class; scaled to what the run needs. None = nothing.
        mask: where to draw into the picture, 255 = there; None = everywhere.
    """

    kind: Literal["show-image"] = "show-image"
    image: Picture | None = None
    mask: Mask | None = None


class Choice(Message):
    """One cell of a comparison; None = as it is. With a seed it begins anew from noise, wherever the others go on from."""

    kind: Literal["choice"] = "choice"
    prompt: Text | None = None
    negative_prompt: Text | None = None
    guidance_scale: Guidance | None = None
    sampler: Name | None = None
    num_steps: NumSteps | None = None
    seed: Seed | None = None

    def given(self) -> dict[str, Any]:
        """The fields that differ."""
        return self.model_dump(exclude={"kind", "version"}, exclude_none=True)


class Compare(Message):
    """Finish several futures of one state, a branch for each choice. `step` None = here."""

    kind: Literal["compare"] = "compare"
    choices: Annotated[tuple[Choice, ...], Field(min_length=1, max_length=MAX_CHOICES)]
    step: Step | None = None


class SetPreviewRate(Message):
    """Show every so many steps; 0 = only the end."""

    kind: Literal["set-preview-rate"] = "set-preview-rate"
    every: Annotated[int, Field(ge=0, le=1000)]


Command = Annotated[
    SetPrompt
    | SetNegativePrompt
    | SetGuidance
    | SetSampler
    | SetNumSteps
    | Pause
    | Resume
    | StepOnce
    | Cancel
    | Rewind
    | OpenNode
    | OpenBranch
    | BranchOff
    | NameNode
    | NameBranch
    | DeleteBranch
    | Undo
    | Redo
    | StartOver
    | StartFromImage
    | ShowImage
    | LockArea
    | ReleaseArea
    | RedoArea
    | LikeArea
    | DislikeArea
    | ForgetFeedback
    | Compare
    | SetPreviewRate
    | AddRegion
    | AddRegionFromWord
    | ChangeRegion
    | RemoveRegion
    | ReorderRegions
    | ReplaceRegions
    | PaintRegion
    | SetRegionRules,
    Field(discriminator="kind"),
]
"""Any command. `wire.from_json(Command, text)` reads one; `wire.adapter(Command).json_schema()` is their schema."""

RESTARTS = (StartOver, StartFromImage, RedoArea, DislikeArea, Compare)
"""Commands after which a session that rests goes on by itself: what they ask for is yet to be made."""
FLOW = (Pause, Resume, StepOnce, Cancel, SetPreviewRate)
"""Commands about when steps are made and shown; they change no state, so a replay leaves them out."""
