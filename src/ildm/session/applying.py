"""What each command does to a cursor. Flow commands are not here: they say when steps are made, not what they are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import torch
from PIL import Image as PILImage

from ildm.core.errors import ConfigError, DataError
from ildm.core.picture import from_picture, to_floats
from ildm.core.seeds import MAX_SEED
from ildm.data.picture import RefusedFile, read_picture
from ildm.session.ahead import locate
from ildm.session.blobs import Blobs
from ildm.session.commands import (
    BranchOff,
    Cancel,
    Command,
    Compare,
    DeleteBranch,
    DislikeArea,
    ForgetFeedback,
    LikeArea,
    LockArea,
    NameBranch,
    NameNode,
    OpenBranch,
    OpenNode,
    Pause,
    Redo,
    RedoArea,
    ReleaseArea,
    Resume,
    Rewind,
    SetGuidance,
    SetNegativePrompt,
    SetNumSteps,
    SetPreviewRate,
    SetPrompt,
    SetSampler,
    ShowImage,
    StartFromImage,
    StartOver,
    StepOnce,
    Undo,
)
from ildm.session.cursor import Cursor, is_over
from ildm.session.editing import changed, chosen, edited, is_free_in, kept_inside, released, started_over, strengthened
from ildm.session.holds import implied_noise
from ildm.session.refusals import NotNow, Unsupported
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
from ildm.session.region_editing import with_regions
from ildm.session.settings import MAX_FEEDBACK, MAX_HOLDS, Feedback, Hold, Settings, Start
from ildm.session.shown import with_shown
from ildm.session.timeline import Branch
from ildm.session.wire import Mask

BEHIND = (255, 255, 255)
"""What shows through the clear parts of a picture to start from."""

_ASKED = (
    "prompt",
    "negative_prompt",
    "guidance_scale",
    "guidance_rescale",
    "regions",
    "common_prompt",
    "overlap",
    "region_mode",
)
"""The settings that say what the picture shows."""


def apply(cursor: Cursor, command: Command) -> tuple[int, ...]:
    """Let a command act where the cursor stands.

    Returns:
        The branches that a comparison has begun; nothing otherwise.

    Raises:
        ConfigError, ShapeError, DataError: when it cannot act, with the reason; then everything stays as it was.
    """
    match command:
        case SetPrompt() | SetNegativePrompt() | SetGuidance() | SetSampler() | SetNumSteps() | ForgetFeedback():
            cursor.change(edited(cursor.settings, command))
        case Rewind(step=step):
            cursor.rewind(step)
        case OpenNode(node=node):
            cursor.open(node)
        case OpenBranch(branch=branch):
            cursor.open_branch(branch)
        case BranchOff(step=step, name=name):
            cursor.branch_off(step, name)
        case NameNode(node=node, name=name):
            cursor.run.timeline.name_node(node, name)
        case NameBranch(branch=branch, name=name):
            cursor.run.timeline.name_branch(branch, name)
        case DeleteBranch(branch=branch):
            _delete(cursor, branch)
        case Undo():
            cursor.undo()
        case Redo():
            cursor.redo()
        case StartOver():
            cursor.begin_again(started_over(cursor.settings, command))
        case StartFromImage():
            cursor.begin_again(_from_image(cursor, command))
        case ShowImage():
            cursor.change(with_shown(cursor.run.model, cursor.run.blobs, cursor.settings, command))
        case LockArea(area=area):
            cursor.change(_locked(cursor, area))
        case ReleaseArea(area=area):
            cursor.change(_released(cursor, area))
        case RedoArea():
            cursor.begin_again(_redone(cursor, command))
        case LikeArea(area=area, strength=strength):
            cursor.change(_judged(cursor, area, strength, liked=True))
        case DislikeArea(area=area, strength=strength):
            _dislike(cursor, area, strength)
        case AddRegionFromWord(mask=None):
            found = locate(cursor.run.steering, cursor.run.state(cursor.position.node), cursor.settings, command)
            cursor.change(with_regions(cursor.settings, found, cursor.run.blobs))
        case (
            AddRegion()
            | AddRegionFromWord()
            | ChangeRegion()
            | RemoveRegion()
            | ReorderRegions()
            | ReplaceRegions()
            | SetRegionRules()
        ):
            cursor.change(with_regions(cursor.settings, command, cursor.run.blobs))
        case PaintRegion(id=region, stroke=stroke):
            part_of = None if stroke is None else (region, stroke)
            cursor.change(with_regions(cursor.settings, command, cursor.run.blobs), part_of=part_of)
        case Compare():
            return _compare(cursor, command)
        case Pause() | Resume() | StepOnce() | Cancel() | SetPreviewRate():
            raise Unsupported(
                f"{command.kind!r} says when steps are made, which an engine heeds; here they are made when asked for."
            )
    return ()


def _delete(cursor: Cursor, branch: int) -> None:
    if branch == cursor.position.branch:
        raise NotNow("The branch that is open cannot be deleted: open another one first.")
    cursor.run.delete(branch)


def _locked(cursor: Cursor, area: Mask) -> Settings:
    run, settings = cursor.run, cursor.settings
    _check_room(settings.holds, MAX_HOLDS, "held areas")
    source = run.blobs.put_latent(run.estimate(cursor.position.node))
    one = Hold(source=source, change=run.blobs.put_mask(kept_inside(_painted(area))), seed=settings.seed, locked=True)
    return changed(settings, holds=(*settings.holds, one))


def _check_room(kept: Sequence[object], most: int, what: str) -> None:
    if len(kept) >= most:
        raise NotNow(f"At most {most} {what} count at once: let some go first.")


def _painted(area: Mask) -> Mask:
    if not area.to_array().any():
        raise ConfigError("The area is empty: paint where it is, or draw a larger box.")
    return area


def _released(cursor: Cursor, area: Mask | None) -> Settings:
    blobs, settings = cursor.run.blobs, cursor.settings
    if not settings.holds:
        raise NotNow("Nothing is locked, so nothing can be released.")
    return changed(settings, holds=() if area is None else _holds_without(blobs, settings.holds, area))


def _holds_without(blobs: Blobs, holds: Sequence[Hold], area: Mask) -> tuple[Hold, ...]:
    """Holds that let an area go; those that hold nothing any more are left out."""
    kept = [one.model_copy(update={"change": blobs.put_mask(released(blobs.mask(one.change), area))}) for one in holds]
    return tuple(one for one in kept if blobs.mask(one.change).to_array().min() < 1.0)


def _redone(cursor: Cursor, command: RedoArea) -> Settings:
    back = max(1, round(cursor.settings.num_steps * command.strength))
    return _anew(cursor, command.area, cursor.settings.num_steps - back, command.seed)


def _anew(cursor: Cursor, area: Mask, step: int, seed: int | None) -> Settings:
    """The picture as it is, noised to an earlier step: inside the area with other noise, outside so that it comes back to what it was.

    Over a finished run the outside is held to the end. In mid-run it is held, with the noise it has now, until the step that
    it stands at, and goes on from there as it would have. What a person locked stays, wherever it lies.

    Raises:
        NotNow: when all of the area is locked.
    """
    run, settings, node = cursor.run, cursor.settings, cursor.node
    locked = [one for one in settings.holds if one.locked]
    if not is_free_in([run.blobs.mask(one.change) for one in locked], _painted(area)):
        raise NotNow("All of this area is kept as it is: let it go first, or choose another.")
    state, picture = run.state(node.id), run.estimate(node.id)
    source, change = run.blobs.put_latent(picture), run.blobs.put_mask(area)
    former = settings.seed if settings.start is None or settings.start.seed is None else settings.start.seed
    if state.done:
        outside = Hold(source=source, change=change, seed=settings.seed)
    else:
        noise = implied_noise(state.latent, picture, state.schedule, state.step)
        outside = Hold(source=source, change=change, noise=run.blobs.put_latent(noise), until=node.step)
    return changed(
        settings,
        start=Start(
            source=source,
            step=max(0, min(step, node.step - 1)),
            seed=(former + 1) % (MAX_SEED + 1) if seed is None else seed,
        ),
        holds=(*_holds_without(run.blobs, [one for one in settings.holds if not one.locked], area), outside, *locked),
    )


def _from_image(cursor: Cursor, command: StartFromImage) -> Settings:
    run, settings = cursor.run, cursor.settings
    pixels = to_floats(from_picture(_open(command.image, settings.size))[None])
    with torch.inference_mode():
        source = run.blobs.put_latent(run.model.encode(pixels.to(run.model.device)))
    change = strengthened(command.change_map, command.strength)
    # where nothing may change yet the run would only follow the source: it begins where something may
    free = float(change.to_array().max())
    step = min(settings.num_steps, max(0, round(settings.num_steps * (1.0 - free))))
    one = Hold(source=source, change=run.blobs.put_mask(change), seed=settings.seed)
    return changed(settings, start=Start(source=source, step=step), holds=(one,), feedback=())


def _open(data: bytes, size: tuple[int, int]) -> PILImage.Image:
    try:
        picture = read_picture(io.BytesIO(data), BEHIND, formats=("PNG", "JPEG", "WEBP"))
    except RefusedFile as error:
        raise DataError(f"These {len(data)} bytes are no PNG, JPEG or WebP picture to start from: {error}.") from error
    return picture.resize(size, PILImage.Resampling.LANCZOS)


def _judged(cursor: Cursor, area: Mask | None, strength: float, *, liked: bool) -> Settings:
    run, settings = cursor.run, cursor.settings
    _check_room(settings.feedback, MAX_FEEDBACK, "likes and dislikes")
    source = run.blobs.put_latent(run.estimate(cursor.position.node))
    place = None if area is None else run.blobs.put_mask(_painted(area))
    one = Feedback(liked=liked, source=source, area=place, strength=strength)
    return changed(settings, feedback=(*settings.feedback, one))


def _dislike(cursor: Cursor, area: Mask | None, strength: float) -> None:
    """A dislike acts in the middle third of the steps: a run that is further goes back to where that begins.

    An area is made anew there, with other noise, while the rest comes back to what it was.
    """
    cursor.run.check_dislike(cursor.settings, area)
    feedback = _judged(cursor, area, strength, liked=False).feedback
    first = cursor.settings.num_steps // 3
    if area is not None:
        cursor.begin_again(changed(_anew(cursor, area, first, None), feedback=feedback))
        return
    here = cursor.position
    if cursor.node.step > first:
        here = cursor.place(max(first, cursor.run.first_step(here.branch)))
    # as it is asked for now: another picture of what was said last, with what was locked, not of what once was
    asked = {name: getattr(cursor.settings, name) for name in _ASKED}
    locked = (one for one in cursor.settings.holds if one.locked and one not in here.settings.holds)
    holds = (*here.settings.holds, *locked)
    cursor.take_up(replace(here, settings=changed(here.settings, feedback=feedback, holds=holds, **asked)))


def _compare(cursor: Cursor, command: Compare) -> tuple[int, ...]:
    run, here = cursor.run, cursor.position if command.step is None else cursor.place(command.step)
    if is_over(run.timeline.node(here.node)) and any(choice.seed is None for choice in command.choices):
        raise NotNow("All steps are done, so no future is left to compare: name an earlier step.")
    wanted = [chosen(here.settings, choice) for choice in command.choices]
    for choice, settings in zip(command.choices, wanted, strict=True):
        if choice.seed is None:
            cursor.check(replace(here, settings=settings))
        else:
            run.check(settings)
    begun: list[Branch] = []
    for number, (choice, settings) in enumerate(zip(command.choices, wanted, strict=True), start=1):
        node = here.node if choice.seed is None else run.begin(settings, parent=here.node).id
        begun.append(run.timeline.fork(node, settings, f"choice {number}"))
    cursor.position = replace(here, node=begun[0].tip, branch=begun[0].id, settings=wanted[0], following=False)
    return tuple(line.id for line in begun)
