"""The training loop, shared by both stages."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ildm.core.errors import CheckpointError, ConfigError, IldmError
from ildm.training.journal import Journal
from ildm.training.run_state import RunState, load_state, save_state
from ildm.training.stopping import Stop
from ildm.training.task import Metrics, Task
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


def train(task: Task, config: LoopConfig, folder: Path, *, journal: Journal, stop: Stop, world: World = ALONE) -> RunState:
    """Train until all steps are done or `stop` says so; a sound state is saved either way, and the next call goes on from it.

    Args:
        folder: of the stage, the same for all processes.
        stop: of this process; what one is asked, all do after the same step.
        world: the processes that train together. The first one writes for all.

    Raises:
        IldmError: when the loss is no number or the stage collapses again after `MAX_ROLLBACKS` roll-backs.
        StorageError: when a state cannot be written; the former one survives.
    """
    state = _restore(task, folder, world)
    if state.step >= config.steps:
        if world.is_first:
            task.export(state)
        return state
    batches, sums = task.batches(state.position), _Sums()
    saved_at, saved_step = time.monotonic(), state.step
    reason = None
    while state.step < config.steps and (reason := world.agree(stop.reason)) is None:
        sums.add(task.train_step(state.step, next(batches)))
        state.step += 1
        state.position += task.batch_size
        last = state.step == config.steps
        if state.step % config.log_every == 0 or last:
            state.seconds += sums.seconds
            figures = world.average(sums.averages()) | {"samples_per_second": sums.steps * task.batch_size / sums.seconds}
            trouble = None if math.isfinite(figures["loss"]) else "the loss is no longer a number"
            trouble = trouble or task.judge(figures)
            if trouble is not None:
                state = _roll_back(task, folder, state, trouble, journal)
                batches, sums = task.batches(state.position), _Sums()
                continue
            journal.log(state.step, figures)
            sums = _Sums()
            if world.is_first and (last or time.monotonic() - saved_at > config.save_every):
                with sums.paused():
                    _save(task, folder, state)
                saved_at, saved_step = time.monotonic(), state.step
        if world.is_first and (last or (config.sample_every and state.step % config.sample_every == 0)):
            with sums.paused():
                sheet = task.sample_sheet()
                if sheet is not None:
                    journal.picture(state.step, sheet)
    journal.show(state.step)
    if state.step == config.steps:
        world.agree(None)  # nobody goes on before it is saved
        return state
    state.seconds += sums.seconds if sums.steps else 0.0
    is_sound = not sums.steps or math.isfinite(world.average(sums.averages())["loss"])
    if world.is_first and is_sound:
        _save(task, folder, state)
    said = "saved; the same command goes on from here"
    if not is_sound:
        said = f"where the loss is no longer a number; the same command goes on from step {saved_step}, saved before"
    journal.say(f"stopped by {reason} at step {state.step} of {config.steps}, {said}.")
    world.agree(None)
    return state


class _Sums:
    """Metrics added up on the device, read once per record."""

    def __init__(self) -> None:
        self.steps = 0
        self._started = time.monotonic()
        self._totals: dict[str, Tensor] = {}

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @contextmanager
    def paused(self) -> Generator[None]:
        """Time that is not training's own, such as saving."""
        began = time.monotonic()
        yield
        self._started += time.monotonic() - began

    def add(self, metrics: Metrics) -> None:
        self.steps += 1
        for name, value in metrics.items():
            value = value.detach().double()
            self._totals[name] = self._totals[name] + value if name in self._totals else value

    def averages(self) -> dict[str, float]:
        return {name: float(total) / self.steps for name, total in self._totals.items()}


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
        task.load_state(state.task)
    state.task = {}
    return state


def _save(task: Task, folder: Path, state: RunState) -> None:
    save_state(folder, replace(state, task=task.state()))
    task.export(state)


def _roll_back(task: Task, folder: Path, state: RunState, trouble: str, journal: Journal) -> RunState:
    """Back to the saved weights, but on with the data: the same batches would end the same way."""
    if state.rollbacks >= MAX_ROLLBACKS:
        raise IldmError(
            f"Training was rolled back {MAX_ROLLBACKS} times and failed again at step {state.step} ({trouble}): "
            "lower the learning rate or, in stage one, the discriminator's weight."
        )
    former = load_state(folder)
    assert former is not None
    task.load_state(former.task)
    journal.say(f"{trouble} at step {state.step}; rolled back to step {former.step}.")
    return RunState(step=former.step, position=state.position, rollbacks=state.rollbacks + 1, seconds=state.seconds, task={})
