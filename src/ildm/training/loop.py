"""The training loop, shared by both stages."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ildm.core.errors import CheckpointError, ConfigError, IldmError, StorageError
from ildm.training.journal import Journal
from ildm.training.run_state import RunState, forget_latest, load_state, save_state
from ildm.training.stopping import Stop
from ildm.training.sums import Sums
from ildm.training.task import Task
from ildm.training.world import ALONE, World

MAX_ROLLBACKS = 5


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """How long a stage runs and how often it reports.

    Args:
        steps: in all.
        log_every: steps between two records, and between two looks for collapse.
        save_every: seconds between two saved states.
        sample_every: steps between two sample sheets; 0 = only at the end.
    """

    steps: int
    log_every: int = 50
    save_every: float = 300.0
    sample_every: int = 0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.log_every < 1:
            raise ConfigError(
                f"steps is at least 0 and log_every at least 1, but {self.steps} and {self.log_every} were given."
            )
        if self.save_every < 0 or self.sample_every < 0:
            raise ConfigError(
                f"save_every and sample_every are 0 or more, but {self.save_every} and {self.sample_every} were given."
            )


def train(task: Task, config: LoopConfig, folder: Path, *, journal: Journal, stop: Stop, world: World = ALONE) -> RunState:
    """Train until all steps are done or `stop` says so; a sound state is saved either way, and the next call goes on from it.

    Args:
        folder: of the stage, the same for all processes.
        stop: of this process; what one is asked, all do after the same step.
        world: the processes that train together. The first one writes for all.

    Raises:
        IldmError: when the loss is no number or the stage collapses again after `MAX_ROLLBACKS` roll-backs.
        IldmError: when the data fail, on any process; then what was learned is saved, if it is sound and there is room.
        StorageError: when a state cannot be written; the former one survives.
    """
    state = _restore(task, folder, world)
    if state.step >= config.steps:
        if world.is_first:
            task.export(state)
        return state
    journal.forget_after(state.step)
    batches, sums, saving = task.batches(state.position), Sums(), _Saving(task, folder, state.step)
    reason = wrong = None
    while state.step < config.steps:
        batch, wrong = _next_of(batches)
        # all leave together, or some would wait for the others for ever
        if (reason := world.agree(stop.reason if wrong is None else str(wrong))) is not None:
            break
        sums.add(task.train_step(state.step, batch))
        state.step += 1
        state.position += task.batch_size
        last = state.step == config.steps
        if state.step % config.log_every == 0 or last:
            state.seconds += sums.seconds
            figures = world.average(sums.averages()) | {"samples_per_second": sums.steps * task.batch_size / sums.seconds}
            trouble = _no_number(figures) or task.judge(figures)
            if trouble is not None:
                state = _roll_back(task, folder, state, trouble, journal, world)
                batches, sums, saving.step = task.batches(state.position), Sums(), state.step
                continue
            journal.log(state.step, figures)
            sums = Sums()
            if world.is_first and (last or (task.is_sound and saving.is_due(config.save_every))):
                with sums.paused():
                    saving.save(state)
        if world.is_first and (last or (config.sample_every and state.step % config.sample_every == 0)):
            with sums.paused():
                sheet = task.sample_sheet()
                if sheet is not None:
                    journal.picture(state.step, sheet)
    journal.show(state.step)
    if reason is None:
        world.agree(None)  # nobody goes on before it is saved
        return state
    state.seconds += sums.seconds if sums.steps else 0.0
    averages = world.average(sums.averages()) if sums.steps else {}
    trouble = _no_number(averages) or (None if task.is_sound else "reconstructions are falling apart")
    unkept = _try_to_save(saving, state) if world.is_first and trouble is None else None
    told = world.agree(None if wrong is None else str(wrong))
    if told is not None:
        # whatever is wrong with the data comes first; what was learned from them is kept if it can be
        if unkept is not None:
            lost = saving.step < state.step
            journal.say(f"what was learned after step {saving.step} is lost. {unkept}" if lost else str(unkept))
        raise wrong or IldmError(told)
    if unkept is not None:
        raise unkept
    said = "saved; the same command goes on from here"
    if trouble is not None:
        said = f"where {trouble}; the same command goes on from step {saving.step}, saved before"
    journal.say(f"stopped by {reason} at step {state.step} of {config.steps}, {said}.")
    world.agree(None)
    return state


class _Saving:
    """Saves a stage, and knows what was saved last: up to which `step`."""

    def __init__(self, task: Task, folder: Path, step: int) -> None:
        self.step = step
        self._task, self._folder, self._at = task, folder, time.monotonic()

    def is_due(self, seconds: float) -> bool:
        return time.monotonic() - self._at > seconds

    def save(self, state: RunState) -> None:
        # nothing was learned since where the step is the same: the state before that is still one to come back to
        save_state(self._folder, replace(state, task=self._task.state()), replaces=state.step == self.step)
        self.step = state.step
        self._task.export(state)
        self._at = time.monotonic()


def _try_to_save(saving: _Saving, state: RunState) -> StorageError | None:
    """What was in the way."""
    try:
        saving.save(state)
    except StorageError as error:
        return error
    return None


def _next_of(batches: Iterator[Any]) -> tuple[Any, IldmError | None]:
    """The next batch, or what is wrong with the data."""
    try:
        return next(batches), None
    except IldmError as error:
        return None, error


def _no_number(figures: Mapping[str, float]) -> str | None:
    """A sentence where what was learned with these figures is of no use; an infinite gradient spoils weights one step before the loss."""
    for name, called in (("loss", "the loss"), ("gradient_norm", "the gradient")):
        if not math.isfinite(figures.get(name, 0.0)):
            return f"{called} is no longer a number"
    return None


def _restore(task: Task, folder: Path, world: World) -> RunState:
    state = load_state(folder)
    step = -1 if state is None else state.step
    # asked of all, so nobody writes before all have read
    if world.average({"step": step})["step"] != step:
        raise CheckpointError(
            f"The processes do not read the same state in {folder}: give them one folder that all of them see."
        )
    if state is None:
        state = RunState(step=0, position=0, rollbacks=0, seconds=0.0, task={})
        if world.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            save_state(folder, replace(state, task=task.state()))
    else:
        try:
            task.load_state(state.task)
        except torch.OutOfMemoryError:
            raise
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"The training state in {folder} is of other networks or of another version of ildm: go on with what it was begun with, or "
                "remove the folder to begin again."
            ) from error
    state.task = {}
    return state


def _roll_back(task: Task, folder: Path, state: RunState, trouble: str, journal: Journal, world: World) -> RunState:
    """Back to the saved weights, but on with the data: the same batches would end the same way."""
    if state.rollbacks >= MAX_ROLLBACKS:
        raise IldmError(
            f"Training was rolled back {MAX_ROLLBACKS} times and failed again at step {state.step} ({trouble}): "
            "lower the learning rate or, in stage one, the discriminator's weight."
        )
    # what was saved last and has led here twice is of no use, whoever comes back; nobody reads before that is settled
    world.once(partial(forget_latest, folder, state.failed_from))
    former = load_state(folder)
    assert former is not None
    task.load_state(former.task)
    journal.say(f"{trouble} at step {state.step}; rolled back to step {former.step}.")
    journal.forget_after(former.step)
    journal.show(former.step)
    return RunState(
        step=former.step,
        position=state.position,
        rollbacks=state.rollbacks + 1,
        seconds=state.seconds,
        task={},
        failed_from=former.step,
    )
