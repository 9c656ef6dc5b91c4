"""A whole study: what it measures, that a stop changes nothing, and what it says of itself."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest
import torch

from ildm.core.config import from_json, to_json
from ildm.core.errors import ConfigError, DataError
from ildm.study.compression import planning
from ildm.study.compression.config import arms, default
from ildm.study.compression.findings import what_was_cut
from ildm.study.compression.report import StudyReport, read_report
from ildm.study.compression.study import claim
from ildm.study.compression.writing import write_report


def timeless(value: Any) -> Any:
    """Without what a clock says."""
    if isinstance(value, dict):
        return {key: timeless(one) for key, one in value.items() if key not in ("seconds", "samples_per_second", "spent")}
    return [timeless(one) for one in value] if isinstance(value, list) else value


def test_every_arm_is_measured(finished, small):
    _, report = finished
    assert report.cut == () and [arm.name for arm in report.arms] == ["f1-pixels", "f32-vq"]
    for arm, result in zip(arms(small), report.arms, strict=True):
        assert tuple(point.step for point in result.points) == planning.points(small, arm)
        assert [point.num_steps for point in result.speeds] == [1, 2]
        assert all(point.distances.kid.count == 10 and point.samples_per_second > 0 for point in result.points)
        assert result.points[-1].operations == result.training_operations * 2 * result.points[-1].step
    pixels, vector = (result.first_stage for result in report.arms)
    assert pixels is not None and vector is not None
    assert pixels.psnr.value == 100.0 and pixels.codebook is None and pixels.parameters == pixels.operations == 0
    assert vector.psnr.value < 30 and vector.steps == 2 and vector.operations > 0
    assert vector.codebook is not None and vector.codebook.cells == 10 * 2 * 2
    assert 0 < vector.codebook.used <= 1 <= vector.codebook.perplexity <= vector.codebook.size == 16


def test_pixels_reconstruct_to_the_floor(finished):
    _, report = finished
    made, floor = report.arms[0].first_stage.reconstructed, report.floor
    assert made.kid.value == pytest.approx(floor.kid.value, abs=1e-4)
    assert made.fd.value == pytest.approx(floor.fd.value, rel=1e-2)


def test_a_study_stopped_again_and_again_finds_the_same(finished, small, run_study, stop_after, tmp_path):
    _, whole = finished
    sittings, report, patience = 0, None, 3
    while report is None or report.cut:
        torch.manual_seed(99 + sittings)  # whatever a new process starts from must not matter
        report = run_study(small, tmp_path, stop_after(patience))
        sittings, patience = sittings + 1, patience + 1
        assert sittings < 30
    assert sittings > 3
    assert timeless(report.to_json()) == timeless(whole.to_json())


def test_a_finished_study_is_left_alone(finished, small, run_study):
    folder, whole = finished
    states = {path: path.read_bytes() for path in folder.rglob("state.pt")}
    again = run_study(small, folder)
    assert {path: path.read_bytes() for path in folder.rglob("state.pt")} == states
    assert again == whole


def test_the_report_is_what_it_says(finished, tmp_path):
    _, report = finished
    data, page, *plots = write_report(report, tmp_path)
    assert read_report(data) == report
    values = json.loads(data.read_text())
    assert (values["format"], values["version"], values["kind"]) == ("ildm-study", 1, "compression")
    assert values["ordering"] == {"vq": {"equal steps": "not decided", "equal compute": "not decided"}}
    text = page.read_text()
    for words in ("Nothing was cut.", "## Equal compute", "| floor: real images |", "perplexity", "f 1 is slow: not decided"):
        assert words in text
    assert len(plots) == 3 and all(plot.read_bytes().startswith(b"\x89PNG") and plot.name in text for plot in plots)


def test_a_report_with_a_strange_key_or_of_another_kind_is_refused(finished, tmp_path):
    _, report = finished
    path = tmp_path / "report.json"
    for change in ({"stepz": 3}, {"format": "ildm-evaluation"}, {"floor": 3}):
        path.write_text(json.dumps(report.to_json() | change))
        with pytest.raises(DataError, match="is no report of a compression study"):
            read_report(path)


def test_what_a_budget_cuts_is_said(finished, small, run_study, stop_after, tmp_path):
    report = run_study(small, tmp_path, stop_after(0))
    assert report.cut == (
        "f1-pixels: the first stage was not finished, so nothing was measured.",
        "f32-vq: the first stage was not finished, so nothing was measured.",
    )
    assert all(claim.finding.outcome == "not decided" for claim in report.claims)
    _, whole = finished
    shorter = replace(whole.arms[1], points=whole.arms[1].points[:-1])
    steps, compute = whole.steps, whole.compute
    sentences = what_was_cut(small, (8, 9), 5400.0, (whole.arms[0], shorter), steps, compute)
    assert sentences == (
        "The budget of 1h30m allowed 5 of 9 steps for each denoiser and 2 of 8 for each autoencoder.",
        "f32-vq: not judged at step 5.",
    )


def test_a_budget_buys_as_many_steps_as_fit(small, tmp_path, monkeypatch):
    paces = {
        "f1-pixels": planning.Pace(stage_one=0.0, encoding=0.0, stage_two=8.0, drawing=0.0, decoding=0.0),
        "f32-vq": planning.Pace(stage_one=1.0, encoding=0.0, stage_two=1.0, drawing=0.0, decoding=0.0),
    }
    monkeypatch.setattr(planning, "pace", lambda arm, *_: paces[arm.name])
    monkeypatch.setattr(planning, "_looking", lambda *_: 0.0)
    long = small.with_steps(100, 100)
    device = torch.device("cpu")
    # all of it: 100 steps at 1 s, 100 at 8 s and 100 at 1 s, of which nine tenths of the budget hold a half
    plan = claim(tmp_path, long, 1000.0 / 0.9 / 2, device)
    assert (plan.config.stage_one.loop.steps, plan.config.stage_two.loop.steps) == (50, 50) and plan.asked == (100, 100)
    assert planning.fit(long, 1e6, device) == long
    with pytest.raises(ConfigError, match="A budget of 5s is too short"):
        planning.fit(long, 5.0, device)
    # what was planned stays, whatever a later sitting may spend
    assert claim(tmp_path, long, 1e6, device).config == plan.config


def test_an_arm_can_be_timed(small):
    timed = planning.pace(arms(small)[1], small, torch.device("cpu"))
    assert min(timed.stage_one, timed.encoding, timed.stage_two, timed.drawing + timed.decoding) > 0


def test_a_folder_belongs_to_one_study(finished, small):
    folder, _ = finished
    device = torch.device("cpu")
    with pytest.raises(ConfigError, match=r"begun with other settings \(codebook_size\)"):
        claim(folder, replace(small, codebook_size=8), None, device)


def test_a_damaged_result_is_told(finished, small, run_study, tmp_path):
    folder, _ = finished
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "arms" / "f32-vq" / "result.json").write_text("{}")
    with pytest.raises(DataError, match="remove it, and this arm is measured again"):
        run_study(small, tmp_path / "copy")
    (tmp_path / "copy" / "study.json").write_text("{")
    with pytest.raises(ConfigError, match="remove the folder, or choose another --name"):
        run_study(small, tmp_path / "copy")


def test_a_point_that_training_has_passed_is_told(finished, small, run_study, tmp_path):
    folder, _ = finished
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "arms" / "f1-pixels" / "result.json").unlink()
    with pytest.raises(DataError, match="is past step 1"):
        run_study(small, tmp_path / "copy")


def test_a_report_of_the_real_study_would_survive_json(finished):
    _, report = finished
    whole = replace(report, config=default())
    values = json.loads(json.dumps(to_json(whole)))
    assert from_json(StudyReport, values) == whole
