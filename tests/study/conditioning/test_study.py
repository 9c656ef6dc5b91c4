"""A whole study of routes: what it measures, that a stop changes nothing, and what it says of itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from ildm.conditioning.low_resolution import LowResolutionConfig
from ildm.core.errors import ConfigError, DataError
from ildm.evaluation.metric import Estimate
from ildm.study.conditioning.config import arms, tiny
from ildm.study.conditioning.report import FIGURES, compare
from ildm.study.conditioning.results import ArmResult, Point
from ildm.study.conditioning.study import Study
from ildm.study.conditioning.writing import write_report
from ildm.study.keeping import claim
from ildm.study.measured import Measured
from ildm.training.stopping import Stop


@pytest.fixture(scope="module")
def small():
    whole = tiny()
    return replace(whole, shares=(0.5, 1.0))


@pytest.fixture(scope="module")
def run_study():
    def run(config, folder, stop=None):
        claim(folder, config)
        return Study(config, folder, torch.device("cpu"), stop or Stop(), lambda _: None, lambda: 0.0)()

    return run


@pytest.fixture(scope="module")
def finished(small, run_study, tmp_path_factory):
    """The folder of a study that was never stopped, and its report."""
    folder = tmp_path_factory.mktemp("study")
    return folder, run_study(small, folder)


def figures(report):
    return [[(point.step, point.figures) for point in arm.points] for arm in report.arms]


def test_every_training_is_measured_at_every_step(finished, small):
    _, report = finished
    assert report.missing == () and [arm.name for arm in report.arms] == [arm.name for arm in arms(small)]
    assert [arm.name for arm in report.arms] == ["concat-0", "cross-attention-0", "concat-1", "cross-attention-1"]
    for arm in report.arms:
        assert [point.step for point in arm.points] == [1, 2] == list(small.steps)
        for point in arm.points:
            assert tuple(point.figures) == FIGURES and point.figures["map-agreement"].estimate.count == 10
            assert "shuffled maps" in point.figures["map-agreement"].beside
    beside, read = report.arms[:2]
    assert beside.parameters != read.parameters and 0 < beside.operations < read.operations


def test_routes_differ_and_so_do_seeds(finished):
    _, report = finished
    drawn = [arm.points[-1].figures["kid-lite0"].estimate.value for arm in report.arms]
    assert len(set(drawn)) == 4


def test_a_study_stopped_again_and_again_finds_the_same(finished, small, run_study, stop_after, tmp_path):
    _, whole = finished
    sittings, report, patience = 0, None, 6
    while report is None or report.missing:
        torch.manual_seed(99 + sittings)  # whatever a new process starts from must not matter
        report = run_study(small, tmp_path, stop_after(patience))
        sittings, patience = sittings + 1, patience + 4
        assert sittings < 30
    assert sittings > 2
    assert figures(report) == figures(whole) and report.differences == whole.differences


def test_one_that_was_stopped_at_once_says_what_is_missing(small, run_study, stop_after, tmp_path):
    report = run_study(small, tmp_path, stop_after(0))
    assert len(report.missing) == 8 and report.missing[0] == "concat-0 at step 1" and report.differences == ()
    paths = write_report(report, tmp_path)
    assert "Not measured, for want of time: concat-0 at step 1; " in paths[1].read_text()


def test_a_finished_study_is_left_alone(finished, small, run_study):
    folder, report = finished
    again = run_study(small, folder)
    assert figures(again) == figures(report) and again.differences == report.differences


def test_a_training_past_its_judgement_is_refused(finished, small, run_study, tmp_path):
    folder, _ = finished
    copied = shutil.copytree(folder, tmp_path / "study")
    (copied / "arms" / "concat-0" / "result.json").unlink()
    with pytest.raises(DataError, match="is past step 1"):
        run_study(small, copied)
    (copied / "arms" / "concat-0" / "result.json").write_text("{")
    with pytest.raises(DataError, match="this arm is measured again"):
        run_study(small, copied)


def test_the_report_is_written(finished, tmp_path):
    _, report = finished
    data, page, plot = write_report(report, tmp_path)
    values, text = json.loads(data.read_text()), page.read_text()
    assert (values["format"], values["version"], values["kind"]) == ("ildm-study", 1, "conditioning")
    assert plot.read_bytes().startswith(b"\x89PNG") and "plots/figures-by-steps.png" in text
    for words in ("| concat | ", "| cross-attention | ", "| concat-1 | 2 |", "shuffled maps", "real renders"):
        assert words in text


def test_another_study_in_its_folder_is_refused(finished, small):
    folder, _ = finished
    with pytest.raises(ConfigError, match="begun with other settings"):
        claim(folder, replace(small, num_images=11))
    claim(folder, small)


def with_figures(name, values):
    """Results of both routes with these values of a figure, by seed."""
    return [
        ArmResult(
            name=f"{route}-{seed}",
            route=route,
            seed=seed,
            parameters=1,
            operations=1.0,
            points=(Point(step=2, seconds=1.0, figures={name: Measured(estimate=Estimate(value=value, count=9))}),),
        )
        for route, row in values.items()
        for seed, value in enumerate(row)
    ]


def test_more_agreement_and_less_distance_are_better():
    config = tiny()  # two steps, judged after the second
    larger = {"concat": [0.90, 0.91, 0.92], "cross-attention": [0.80, 0.81, 0.83]}
    [agreement] = compare(config, with_figures("map-agreement", larger))
    [distance] = compare(config, with_figures("kid-lite0", larger))
    assert (agreement.better, distance.better) == ("concat", "cross-attention")
    assert agreement.estimate.value == pytest.approx(0.0967, abs=1e-4) and agreement.estimate.count == 3
    [equal] = compare(config, with_figures("map-agreement", {"concat": [0.9, 0.8], "cross-attention": [0.8, 0.9]}))
    assert equal.better == "not decided"
    assert compare(config, with_figures("map-agreement", {"concat": [0.9], "cross-attention": [0.8]})) == ()


def test_what_cannot_be_compared_is_refused():
    whole = tiny()
    with pytest.raises(ConfigError, match="2 to 10 seeds"):
        replace(whole, seeds=1)
    with pytest.raises(ConfigError, match="shares rise from above 0 to 1"):
        replace(whole, shares=(0.5,))
    with pytest.raises(ConfigError, match="too small to be judged at 3 moments"):
        replace(whole, shares=(0.1, 0.2, 1.0))
    with pytest.raises(ConfigError, match="share a first stage"):
        replace(whole, recipe=replace(whole.recipe, first_stage=""))
    other = replace(whole.recipe, condition=replace(whole.recipe.condition, hint=LowResolutionConfig()))
    with pytest.raises(ConfigError, match="routes for semantic maps"):
        replace(whole, recipe=other)
