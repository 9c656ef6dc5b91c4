"""What was asked for, in words: a command as what it changed."""

from __future__ import annotations

from ildm.session import commands as ask
from ildm.session.words.base import area, count, in_words, quoted, steps


@in_words.register
def _set_prompt(command: ask.SetPrompt) -> str:
    return f"the prompt became {quoted(command.text)}"


@in_words.register
def _set_negative_prompt(command: ask.SetNegativePrompt) -> str:
    return f"the negative prompt became {quoted(command.text)}"


@in_words.register
def _set_guidance(command: ask.SetGuidance) -> str:
    rescaled = "" if command.rescale is None else f", rescaled by {command.rescale:g}"
    return f"the guidance became {command.scale:g}{rescaled}"


@in_words.register
def _set_sampler(command: ask.SetSampler) -> str:
    return f"the sampler became {quoted(command.name)}"


@in_words.register
def _set_num_steps(command: ask.SetNumSteps) -> str:
    return f"the number of steps became {command.num_steps}"


@in_words.register
def _pause(_: ask.Pause) -> str:
    return "a pause was asked for"


@in_words.register
def _resume(_: ask.Resume) -> str:
    return "going on was asked for"


@in_words.register
def _step_once(_: ask.StepOnce) -> str:
    return "one step was asked for"


@in_words.register
def _cancel(_: ask.Cancel) -> str:
    return "the end was asked for"


@in_words.register
def _rewind(command: ask.Rewind) -> str:
    return f"back or forth to the state after {steps(command.step)}"


@in_words.register
def _open_node(command: ask.OpenNode) -> str:
    return f"state {command.node} was opened"


@in_words.register
def _open_branch(command: ask.OpenBranch) -> str:
    return f"branch {command.branch} was opened"


@in_words.register
def _branch_off(command: ask.BranchOff) -> str:
    named = "" if command.name is None else f", named {quoted(command.name)}"
    return f"a branch began {_where(command.step)}{named}"


@in_words.register
def _name_node(command: ask.NameNode) -> str:
    return _named(f"state {command.node}", command.name)


@in_words.register
def _name_branch(command: ask.NameBranch) -> str:
    return _named(f"branch {command.branch}", command.name)


@in_words.register
def _delete_branch(command: ask.DeleteBranch) -> str:
    return f"branch {command.branch} was deleted"


@in_words.register
def _undo(_: ask.Undo) -> str:
    return "the last change was undone"


@in_words.register
def _redo(_: ask.Redo) -> str:
    return "the last undo was taken back"


@in_words.register
def _start_over(command: ask.StartOver) -> str:
    seed = "" if command.seed is None else f" with seed {command.seed}"
    sides = (command.width, command.height)
    size = (
        ""
        if sides == (None, None)
        else f" at {' x '.join('the former' if side is None else str(side) for side in sides)} pixels"
    )
    return f"a branch began anew from noise{seed}{size}"


@in_words.register
def _start_from_image(command: ask.StartFromImage) -> str:
    mapped = "" if command.change_map is None else f", where {area(command.change_map)} may change"
    return f"a branch began from a picture with strength {command.strength:g}{mapped}"


@in_words.register
def _show_image(command: ask.ShowImage) -> str:
    if command.image is None and command.mask is None:
        return "the model was shown nothing any more"
    what = "a picture" if command.mask is not None else "a picture or a map"
    into = "" if command.mask is None else f", to draw into {area(command.mask)}"
    return f"the model was shown {'nothing' if command.image is None else what}{into}"


@in_words.register
def _lock_area(command: ask.LockArea) -> str:
    return f"{area(command.area)} was locked"


@in_words.register
def _release_area(command: ask.ReleaseArea) -> str:
    return "all that was locked was released" if command.area is None else f"{area(command.area)} was released"


@in_words.register
def _redo_area(command: ask.RedoArea) -> str:
    seed = "" if command.seed is None else f" and seed {command.seed}"
    return f"{area(command.area)} was made anew with strength {command.strength:g}{seed}"


@in_words.register
def _like_area(command: ask.LikeArea) -> str:
    return f"{area(command.area)} was liked{_strength(command.strength)}"


@in_words.register
def _dislike_area(command: ask.DislikeArea) -> str:
    return f"{area(command.area)} was disliked{_strength(command.strength)}"


@in_words.register
def _forget_feedback(_: ask.ForgetFeedback) -> str:
    return "all likes and dislikes were taken back"


@in_words.register
def _choice(choice: ask.Choice) -> str:
    values = {
        "prompt": None if choice.prompt is None else quoted(choice.prompt),
        "negative prompt": None if choice.negative_prompt is None else quoted(choice.negative_prompt),
        "guidance": None if choice.guidance_scale is None else f"{choice.guidance_scale:g}",
        "sampler": None if choice.sampler is None else quoted(choice.sampler),
        "steps": choice.num_steps,
        "seed": choice.seed,
    }
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None) or "as it is"


@in_words.register
def _compare(command: ask.Compare) -> str:
    choices = "; ".join(in_words(choice) for choice in command.choices)
    return f"{count(len(command.choices), 'future')} {_where(command.step)} to compare: {choices}"


@in_words.register
def _set_preview_rate(command: ask.SetPreviewRate) -> str:
    if command.every == 0:
        return "previews were turned off"
    return "every step is shown" if command.every == 1 else f"one step in {command.every} is shown"


def _where(step: int | None) -> str:
    return "here" if step is None else f"after {steps(step)}"


def _named(what: str, name: str | None) -> str:
    return f"{what} lost its name" if name is None else f"{what} was named {quoted(name)}"


def _strength(strength: float) -> str:
    return "" if strength == 1.0 else f" with strength {strength:g}"
