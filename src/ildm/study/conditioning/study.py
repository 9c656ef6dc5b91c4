"""The whole study in a folder: arms advance together, so that one that is stopped can be compared as far as it came.

study.json      what was asked
clock.json      seconds spent so far
latents/        the data encoded, for each route
arms/concat-0/  an arm: a training run, and what was measured of it
report.json, report.md, plots/, samples/
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from ildm.checkpoint.load import load
from ildm.core.errors import DataError
from ildm.data.opening import open_dataset
from ildm.evaluation.circumstances import machine, versions
from ildm.evaluation.drawing import Drawing
from ildm.evaluation.evaluate import evaluate
from ildm.evaluation.report import Report
from ildm.evaluation.sets import EvaluationConfig
from ildm.study.conditioning.config import Arm, ConditioningConfig, arms
from ildm.study.conditioning.report import FIGURES, ConditioningReport, compare
from ildm.study.conditioning.results import ArmResult, Point
from ildm.study.keeping import keep_result, load_result
from ildm.study.measured import Measured
from ildm.study.operations import denoiser_training
from ildm.study.pictures import save_sheet
from ildm.training.making import make_networks
from ildm.training.pipeline import Run
from ildm.training.stopping import Stop

Say = Callable[[str], None]
_SPLIT = "unseen_scene"


@dataclass
class Study:
    """A configuration at work.

    Args:
        folder: of the study.
        device: to train and measure on.
        stop: asked between steps; a budget is its time limit.
        say: told what was measured, a line at a time.
        spent: seconds so far, over all sittings.
    """

    config: ConditioningConfig
    folder: Path
    device: torch.device
    stop: Stop
    say: Say
    spent: Callable[[], float]

    def __post_init__(self) -> None:
        self._results = {arm.name: load_result(ArmResult, self._home(arm)) or self._begun(arm) for arm in self.arms}

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """All of them."""
        return arms(self.config)

    def __call__(self) -> ConditioningReport:
        """Train and measure what is left until the study is done or stopped."""
        for step in self.config.steps:
            for arm in self.arms:
                if self.stop.reason is None and self._results[arm.name].at(step) is None:
                    self._advance(arm, step)
        return self.report()

    def report(self) -> ConditioningReport:
        """What is known so far."""
        results = tuple(self._results[arm.name] for arm in self.arms)
        return ConditioningReport(
            config=self.config,
            spent=round(self.spent(), 1),
            machine=machine(self.device),
            versions=versions(),
            arms=results,
            missing=tuple(
                f"{one.name} at step {step}" for one in results for step in self.config.steps if one.at(step) is None
            ),
            differences=compare(self.config, results),
        )

    def _advance(self, arm: Arm, step: int) -> None:
        """Train an arm to a step and measure it there."""
        latents = self.folder / "latents" / arm.route
        run = Run(arm.recipe(self.config), self._home(arm), self.device, self.stop, latents=latents, until=step)
        folder = run()
        if folder is None or self.stop.reason is not None:
            return
        model = load(folder, device=str(self.device), dtype="float32")
        reached = model.manifest.training["stage_two_steps"]
        if reached != step:
            raise DataError(
                f"The training in {self._home(arm)} is past step {step}, at which it is to be judged: remove that folder to begin it anew."
            )
        found = evaluate(
            model,
            EvaluationConfig(
                splits=(_SPLIT,),
                num_images=self.config.num_images,
                num_probes=2,
                metrics=("map-agreement", "kernel-distance"),
                drawing=Drawing(seed=arm.seed * 10_000),
                sprites=self.config.data.sprites,
            ),
        )
        save_sheet(
            torch.stack([picture.pixels for picture in found.pictures]), self.folder / "samples" / f"{arm.name}-{step:06d}.png"
        )
        point = Point(step=step, seconds=model.manifest.training["stage_two_hours"] * 3600.0, figures=_figures(found))
        self._results[arm.name] = self._results[arm.name].with_point(point)
        keep_result(self._results[arm.name], self._home(arm))
        told = ", ".join(f"{name} {point.figures[name].estimate.value:.3f}" for name in FIGURES)
        self.say(f"{arm.name}: step {step}, {told}.")

    def _begun(self, arm: Arm) -> ArmResult:
        recipe = arm.recipe(self.config)
        settled = recipe.settled(open_dataset(recipe.data))
        side = self.config.data.size // recipe.autoencoder.stride
        networks = make_networks(settled, self.folder, None, None)
        return ArmResult(
            name=arm.name,
            route=arm.route,
            seed=arm.seed,
            parameters=sum(one.numel() for one in networks.parameters()),
            operations=float(denoiser_training(settled.denoiser, side, tokens=side * side)),
        )

    def _home(self, arm: Arm) -> Path:
        return self.folder / "arms" / arm.name


def _figures(found: Report) -> dict[str, Measured]:
    figures = {name: found.find(name, split=_SPLIT, kind="scenes") for name in FIGURES}
    return {name: Measured.of(figure) for name, figure in figures.items() if figure is not None}
