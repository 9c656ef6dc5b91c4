"""What happened, in words."""

from __future__ import annotations

from ildm.session import events as happened
from ildm.session.words.base import in_words, quoted, steps


@in_words.register
def _session_opened(event: happened.SessionOpened) -> str:
    made = event.settings
    return (
        f"opened with {quoted(made.prompt)}: {quoted(event.model)}, {steps(made.num_steps)} of {quoted(made.sampler)}, "
        f"guidance {made.guidance_scale:g}, seed {made.seed}, {made.width} x {made.height} pixels"
    )


@in_words.register
def _command_applied(event: happened.CommandApplied) -> str:
    return f"step {event.applied_step}: {in_words(event.command)}"


@in_words.register
def _command_rejected(event: happened.CommandRejected) -> str:
    return f"refused ({event.code}): {quoted(event.text)}"


@in_words.register
def _step_completed(event: happened.StepCompleted) -> str:
    again = "" if event.fresh else ", known already"
    return f"step {event.step} of {event.num_steps}: done, state {event.node} on branch {event.branch}{again}"


@in_words.register
def _state_saved(event: happened.StateSaved) -> str:
    return f"state {event.node} was saved"


@in_words.register
def _cursor_moved(event: happened.CursorMoved) -> str:
    return f"step {event.step}: now at state {event.node} on branch {event.branch}"


@in_words.register
def _cursor_left(_: happened.CursorLeft) -> str:
    return "another session of this tree stayed behind"


@in_words.register
def _run_finished(event: happened.RunFinished) -> str:
    return f"finished with state {event.node} on branch {event.branch}, picture {event.image_hash[:12]}"


@in_words.register
def _run_paused(event: happened.RunPaused) -> str:
    return "paused" if event.reason is None else f"paused: {quoted(event.reason)}"


@in_words.register
def _run_resumed(_: happened.RunResumed) -> str:
    return "went on"


@in_words.register
def _run_cancelled(_: happened.RunCancelled) -> str:
    return "cancelled"


@in_words.register
def _run_failed(event: happened.RunFailed) -> str:
    return f"failed: {quoted(event.text)}"
