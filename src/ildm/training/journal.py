"""What a run tells: a progress line, a metrics file, TensorBoard, and sample sheets."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from PIL import Image as PILImage
from rich.console import Console

from ildm.core.errors import StorageError
from ildm.core.files import atomic_file
from ildm.core.progress import make_bar

RECORDS = "metrics.jsonl"
"""One line per record, in the stage's folder."""


class Journal:
    """Writes `metrics.jsonl`, `samples/` and, where TensorBoard is installed, its event files; shows progress.

    Args:
        folder: of the stage.
        title: shown before the bar.
        num_steps: of the whole stage.
        console: where progress goes; None = standard error.
    """

    def __init__(self, folder: Path, title: str, num_steps: int, console: Console | None = None) -> None:
        self.folder = folder
        self._console = console or Console(stderr=True)
        self._progress = make_bar(self._console, "{task.fields[figures]}")
        self._bar = self._progress.add_task(title, total=num_steps, figures="")
        self._title = title
        self._complained = False
        self._board = _tensorboard(folder)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = (self.folder / RECORDS).open("a", encoding="utf-8")
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()
        with suppress(OSError):  # what could not be written before cannot be now
            self._file.close()
        if self._board is not None:
            self._board.close()

    def forget_after(self, step: int) -> None:
        """Drop the records behind a step, and one that was cut off: they are of a sitting that was killed, or of
        what was rolled back, and are made again."""
        self._kept(lambda: self._cut(step))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Record averaged figures of the steps since the last call."""
        record = {"step": step, "time": round(time.time(), 1)} | {
            name: float(f"{value:.6g}") for name, value in figures.items()
        }
        self._kept(lambda: self._write(record))
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, step)
        # stage one's loss is a sum over pixels and logarithms; its error is what a person can read
        name = "absolute" if "absolute" in figures else "loss"
        shown = f"{'error' if name == 'absolute' else name} {figures[name]:.4g}  {figures['samples_per_second']:.1f} samples/s"
        self._progress.update(self._bar, completed=step, figures=shown)
        if not self._console.is_terminal:
            self._console.print(f"{self._title}: step {step}, {shown}", highlight=False, soft_wrap=True)

    def show(self, step: int) -> None:
        """Move the bar without figures."""
        self._progress.update(self._bar, completed=step)

    def say(self, sentence: str) -> None:
        """One line above the bar."""
        self._console.print(f"{self._title}: {sentence}", highlight=False, soft_wrap=True)

    def picture(self, step: int, sheet: PILImage.Image) -> None:
        """Keep a sample sheet."""
        folder = self.folder / "samples"
        folder.mkdir(exist_ok=True)
        self._kept(lambda: sheet.save(folder / f"{step:08d}.png"))

    def _cut(self, step: int) -> None:
        path = self.folder / RECORDS
        if not path.is_file():
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
        if kept != lines:
            with atomic_file(path) as temporary:
                temporary.write_text("".join(kept), encoding="utf-8")
            self._file.close()
            self._file = path.open("a", encoding="utf-8")

    def _write(self, record: Mapping[str, float]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def _kept(self, write: Callable[[], object]) -> None:
        """Write a record; one that cannot be written is not worth a training."""
        try:
            write()
        except (OSError, StorageError) as error:
            if not self._complained:
                why = getattr(error, "strerror", None) or error
                self.say(f"records cannot be written in {self.folder} ({why}); training goes on without them.")
            self._complained = True


class Silence(Journal):
    """Tells nothing: of the processes that train together, one speaks."""

    def __init__(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def forget_after(self, step: int) -> None:
        """Nothing."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Nothing."""

    def show(self, step: int) -> None:
        """Nothing."""

    def say(self, sentence: str) -> None:
        """Nothing."""

    def picture(self, step: int, sheet: PILImage.Image) -> None:
        """Nothing."""


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # it is an extra
        return None
    return SummaryWriter(str(folder / "tensorboard"))
