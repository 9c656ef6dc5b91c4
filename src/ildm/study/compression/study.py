"""The whole study in a folder: arms advance together, so that one that is stopped can be compared as far as it came.

study.json      what was asked and what the budget allowed
clock.json      seconds spent so far
arms/f8-kl/     an arm, see `ildm.study.compression.running`
report.json, report.md, plots/, samples/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from ildm.core.config import from_json, to_json
from ildm.core.durations import say_duration
from ildm.core.errors import ConfigError
from ildm.core.files import write_json
from ildm.data.emoji_scenes import EmojiScenes
from ildm.evaluation.circumstances import machine, versions
from ildm.study.compression.config import Arm, CompressionConfig, arms, equal_compute, equal_steps
from ildm.study.compression.drawing import Artist, Drawn
from ildm.study.compression.findings import claims, what_was_cut
from ildm.study.compression.measuring import Judge
from ildm.study.compression.planning import fit, points
from ildm.study.compression.report import StudyReport
from ildm.study.compression.results import ArmResult, FirstStageResult, Point
from ildm.study.compression.running import ArmRun, Trained
from ildm.study.compression.sizing import count_parameters
from ildm.study.keeping import keep_result, load_result
from ildm.study.operations import autoencoder_training, denoising
from ildm.study.pictures import save_sheet
from ildm.training.stopping import Stop

Say = Callable[[str], None]
_FILE = "study.json"


@dataclass(frozen=True)
class Plan:
    """A study as it is run.

    Args:
        config: with the steps that the budget allowed.
        asked: (stage one, stage two), the steps without a budget.
        budget: seconds; None = none.
    """

    config: CompressionConfig
    asked: tuple[int, int]
    budget: float | None


def claim(folder: Path, config: CompressionConfig, budget: float | None, device: torch.device) -> Plan:
    """The plan of the study in `folder`: the one it was begun with, or a new one, kept there.

    A budget may be raised later; the numbers of steps stay what the first one allowed.

    Raises:
        ConfigError: when the folder belongs to a study of other settings, or the budget is too short.
    """
    path, asked = folder / _FILE, (config.stage_one.loop.steps, config.stage_two.loop.steps)
    plain = json.loads(json.dumps(to_json(config)))
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            former, (first, second) = (
                json.loads(json.dumps(to_json(from_json(CompressionConfig, kept["asked"])))),
                kept["steps"],
            )
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise ConfigError(
                f"{path} cannot be read ({error}), so it is not known what the study there is: remove the folder, or choose "
                "another --name."
            ) from error
        if former != plain:
            changed = sorted(key for key in plain if former.get(key) != plain[key])
            raise ConfigError(
                f"The study in {folder} was begun with other settings ({', '.join(changed[:3])}): take those, or choose another --name."
            )
        return Plan(config.with_steps(first, second), asked, budget)
    planned = config if budget is None else fit(config, budget, device)
    steps = [planned.stage_one.loop.steps, planned.stage_two.loop.steps]
    write_json(path, {"asked": plain, "steps": steps, "budget": budget})
    return Plan(planned, asked, budget)


@dataclass
class Study:
    """A plan at work.

    Args:
        folder: of the study.
        device: to train and measure on.
        stop: asked between steps; the budget is its time limit.
        say: told what was measured, a line at a time.
        spent: seconds so far, over all sittings.
    """

    plan: Plan
    folder: Path
    device: torch.device
    stop: Stop
    say: Say
    spent: Callable[[], float]

    def __post_init__(self) -> None:
        self._results = {arm.name: load_result(ArmResult, self._home(arm)) or _new_result(arm) for arm in self.arms}

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """All of them, f rising."""
        return arms(self.plan.config)

    @cached_property
    def judge(self) -> Judge:
        """Measures everything."""
        return Judge(self.plan.config, self.device)

    @cached_property
    def dataset(self) -> EmojiScenes:
        """What all arms train on."""
        return EmojiScenes(self.plan.config.data)

    def __call__(self) -> StudyReport:
        """Train and measure what is left until the study is done or stopped."""
        cheapest_first = sorted(self.arms, key=lambda arm: arm.operations)
        for arm in cheapest_first:
            if self.stop.reason is None and self._results[arm.name].first_stage is None:
                self._first_stage(arm)
        for arm, step in self._visits(cheapest_first):
            if self.stop.reason is None and self._results[arm.name].first_stage is not None:
                self._second_stage(arm, step)
        return self.report()

    def report(self) -> StudyReport:
        """What is known so far."""
        config, results = self.plan.config, tuple(self._results[arm.name] for arm in self.arms)
        steps = equal_steps(config)
        compute = {arm.name: equal_compute(config, arm) for arm in self.arms}
        return StudyReport(
            config=config,
            asked=self.plan.asked,
            budget=self.plan.budget,
            spent=round(self.spent(), 1),
            machine=machine(self.device),
            versions=versions(),
            floor=self.judge.floor,
            control=self.judge.control,
            steps=steps,
            compute=compute,
            arms=results,
            cut=what_was_cut(config, self.plan.asked, self.plan.budget, results, steps, compute),
            claims=claims(config, results, steps, compute, self.judge.floor.kid, self.judge.control.kid),
        )

    def _first_stage(self, arm: Arm) -> None:
        run = self._run(arm)
        first = run.first_stage()
        if first is None:
            return
        made, stage = self.judge.reconstruction(first), arm.stage_one
        steps = 0 if stage is None else stage.loop.steps
        batch = 0 if stage is None else stage.batch_size
        trained = 0 if arm.autoencoder is None else autoencoder_training(arm.autoencoder, (stage and stage.crop) or self._size)
        parameters = sum(one.numel() for one in first.parameters()) if isinstance(first, torch.nn.Module) else 0
        found = FirstStageResult(
            parameters=parameters,
            steps=steps,
            seconds=run.first_stage_seconds,
            operations=float(trained) * steps * batch,
            psnr=made.psnr,
            ssim=made.ssim,
            perceptual=made.perceptual,
            reconstructed=made.distances,
            codebook=made.codebook,
        )
        save_sheet(made.pixels, self.folder / "samples" / f"{arm.name}-reconstructed.png")
        self._keep(arm, replace(self._results[arm.name], first_stage=found))
        self.say(f"{arm.name}: first stage, PSNR {made.psnr.value:.2f} dB, rKID-Lite0 {made.distances.kid.value:.4f}.")

    def _second_stage(self, arm: Arm, step: int) -> None:
        wanted = self._unmeasured(arm, step)
        if not wanted:
            return
        run = self._run(arm)
        first = run.first_stage()
        cache = None if first is None else run.latents(first)
        trained = None if cache is None else run.train_to(step, cache)
        if first is None or trained is None:
            return
        config = self.plan.config
        artist = Artist(trained.unet, first, config.stage_two, config.judging, arm.side)
        for num_steps in wanted:
            if self.stop.reason is not None:
                return
            drawn = artist.draw(self.judge.labels, num_steps)
            self._judged(arm, step, num_steps, trained, drawn)

    def _judged(self, arm: Arm, step: int, num_steps: int, trained: Trained, drawn: Drawn) -> None:
        config, result = self.plan.config, self._results[arm.name]
        point = Point(
            step=step,
            seconds=trained.seconds,
            operations=float(arm.operations) * step * config.stage_two.batch_size,
            num_steps=num_steps,
            samples_per_second=drawn.samples_per_second,
            distances=self.judge.distances(drawn.pixels),
        )
        if num_steps == config.judging.num_steps and result.at(step) is None:
            result = result.with_point(point)
            save_sheet(drawn.pixels, self.folder / "samples" / f"{arm.name}-{step:06d}.png")
        if step == equal_steps(config)[-1] and num_steps in config.judging.speeds:
            result = result.with_speed(point)
        self._keep(arm, result)
        self.say(
            f"{arm.name}: step {step}, drawn in {num_steps} steps, KID-Lite0 {point.distances.kid.value:.4f}, "
            f"{drawn.samples_per_second:.2f} samples/s, {say_duration(self.spent())} spent."
        )

    def _unmeasured(self, arm: Arm, step: int) -> list[int]:
        """The numbers of sampler steps that a moment of an arm is still to be drawn in."""
        judging, result = self.plan.config.judging, self._results[arm.name]
        wanted = [judging.num_steps] if result.at(step) is None else []
        if step == equal_steps(self.plan.config)[-1]:
            speeds = [steps for steps in judging.speeds if result.drawn_in(steps) is None]
            wanted += [steps for steps in speeds if steps not in wanted]
        return wanted

    def _visits(self, order: list[Arm]) -> list[tuple[Arm, int]]:
        """Every arm at every step to be judged: all arms to the first of the equal steps, then all to the next."""
        shared = equal_steps(self.plan.config)

        def rounds(arm: Arm, step: int) -> int:
            within = next((place for place, end in enumerate(shared) if step <= end), None)
            if within is not None:
                return within
            further = equal_compute(self.plan.config, arm)
            return len(shared) + next(place for place, end in enumerate(further) if step <= end)

        visits = [(rounds(arm, step), place, step) for place, arm in enumerate(order) for step in points(self.plan.config, arm)]
        return [(order[place], step) for _, place, step in sorted(visits)]

    def _run(self, arm: Arm) -> ArmRun:
        return ArmRun(arm, self.plan.config, self.dataset, self._home(arm), self.device, self.stop)

    def _keep(self, arm: Arm, result: ArmResult) -> None:
        self._results[arm.name] = result
        keep_result(result, self._home(arm))

    def _home(self, arm: Arm) -> Path:
        return self.folder / "arms" / arm.name

    @property
    def _size(self) -> int:
        return self.plan.config.data.size


def _new_result(arm: Arm) -> ArmResult:
    return ArmResult(
        name=arm.name,
        factor=arm.factor,
        kind=arm.kind,
        latent=(arm.denoiser.in_channels, arm.side, arm.side),
        parameters=count_parameters(arm.denoiser),
        training_operations=float(arm.operations),
        drawing_operations=float(denoising(arm.denoiser, arm.side)),
    )
