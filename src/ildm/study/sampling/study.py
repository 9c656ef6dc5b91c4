"""The whole study in a folder: one setting after the other, the model's own first.

study.json             what was asked
clock.json             seconds spent so far
settings/NAME/         what was measured at a setting, and its first pictures
report.json, report.md, plots/, samples/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ildm.core import extensions
from ildm.core.errors import ConfigError
from ildm.core.files import atomic_file
from ildm.core.picture import paste_grid, to_picture
from ildm.core.progress import NamedProgress
from ildm.evaluation.circumstances import machine, versions
from ildm.evaluation.drawing import Drawing
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.report import Report
from ildm.evaluation.sets import EvaluationConfig
from ildm.model import Model
from ildm.study.keeping import keep_result, load_result
from ildm.study.measured import Measured
from ildm.study.sampling.config import SamplingConfig, Setting
from ildm.study.sampling.report import Point, SamplingReport
from ildm.training.stopping import Stop

PICTURES = "pictures.png"
SHOWN = 6
"""Pictures of each setting that are kept, side by side."""
_NEEDED = frozenset({"generated", "generate"})


def metrics_of_drawings() -> tuple[str, ...]:
    """The registered metrics whose figures depend on how a model draws, without those that need weights from elsewhere."""
    every = extensions.load_all("ildm.metrics")
    return tuple(
        sorted(name for name, metric in every.items() if metric.requires & _NEEDED and "inception" not in metric.requires)
    )


@dataclass
class Study:
    """A configuration at work.

    Args:
        folder: of the study.
        stop: asked between settings; a budget is its time limit.
        say: told what was measured, a line at a time.
        spent: seconds so far, over all sittings.
        progress: of what is drawn and measured.
    """

    config: SamplingConfig
    model: Model
    folder: Path
    stop: Stop
    say: Callable[[str], None]
    spent: Callable[[], float]
    progress: NamedProgress | None = None

    def __call__(self) -> SamplingReport:
        """Judge what is left until all is done or the study is stopped, which acts after the setting in hand.

        Raises:
            ConfigError: when no metric has a figure for this model.
        """
        points, missing = [], []
        for setting in self.config.settings:
            folder = self.folder_of(setting)
            point = load_result(Point, folder)
            if point is not None and point.setting != setting:
                # names were once rounded, so a folder may hold what was drawn at another guidance
                point = None
            if point is None and self.stop.reason is None:
                point = self._judge(setting)
                keep_result(point, folder)
            if point is None:
                missing.append(setting.name)
            else:
                points.append(point)
        return SamplingReport(
            config=self.config,
            spent=round(self.spent(), 1),
            machine=machine(self.model.device),
            versions=versions(),
            points=tuple(points),
            missing=tuple(missing),
        )

    def folder_of(self, setting: Setting) -> Path:
        """What is kept of a setting."""
        return self.folder / "settings" / setting.name

    def _judge(self, setting: Setting) -> Point:
        config = self.config
        found = evaluate(
            self.model,
            EvaluationConfig(
                splits=(config.split,),
                num_images=config.num_images,
                num_probes=config.num_probes,
                metrics=config.metrics,
                drawing=Drawing(
                    num_steps=setting.num_steps,
                    guidance_scale=setting.guidance_scale,
                    sampler=setting.sampler,
                    seed=config.seed,
                ),
                sprites=config.sprites,
            ),
            progress=self.progress,
        )
        if not found.entries:
            raise ConfigError(" ".join(found.notes) or "None of the metrics has a figure for this model: name others.")
        _keep_pictures(found, self.folder_of(setting) / PICTURES)
        point = Point(
            setting=setting,
            figures=_figures(found),
            prompts=tuple(picture.prompt for picture in found.pictures[:SHOWN]),
        )
        told = ", ".join(f"{name} {one.estimate.value:.3f}" for name, one in list(point.figures.items())[:4])
        self.say(f"{setting.name}: {told}.")
        return point


def _figures(found: Report) -> dict[str, Measured]:
    figures: dict[str, Measured] = {}
    for entry in found.entries:
        name = entry.figure.name
        figures[f"{name}, {entry.kind}" if name in figures else name] = Measured.of(entry.figure)
    return figures


def _keep_pictures(found: Report, path: Path) -> None:
    """The first pictures side by side; none where no metric looked at scenes."""
    if not found.pictures:
        return
    row = paste_grid([to_picture(one.pixels) for one in found.pictures[:SHOWN]], columns=SHOWN, gap=0)
    with atomic_file(path) as temporary:
        row.save(temporary, format="PNG")
