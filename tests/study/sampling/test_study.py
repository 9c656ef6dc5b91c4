"""A whole study of sampling: what it judges, that a stop changes nothing, and what it says of itself."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from ildm.checkpoint.load import load
from ildm.core.errors import ConfigError, DataError
from ildm.evaluation.metric import Estimate
from ildm.study.keeping import claim
from ildm.study.measured import Measured, lower_is_better
from ildm.study.sampling.config import Setting, check_guided, default, is_guided, tiny
from ildm.study.sampling.report import Point, SamplingReport
from ildm.study.sampling.study import SHOWN, Study, metrics_of_drawings
from ildm.study.sampling.tables import to_markdown
from ildm.study.sampling.writing import write_report
from ildm.training.stopping import Stop


@pytest.fixture(scope="module")
def model():
    return load("emoji-scenes", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def small(model):
    config = tiny(default(model, ("prompt-accuracy", "kernel-distance")))
    return replace(config, samplers=("heun",))


@pytest.fixture(scope="module")
def run_study(model):
    def run(config, folder, stop=None):
        claim(folder, config)
        return Study(config, model, folder, stop or Stop(), lambda _: None, lambda: 0.0)()

    return run


@pytest.fixture(scope="module")
def finished(small, run_study, tmp_path_factory):
    """The folder of a study that was never stopped, and its report."""
    folder = tmp_path_factory.mktemp("study")
    return folder, run_study(small, folder)


def test_one_thing_at_a_time_is_changed(small):
    base = Setting(num_steps=2, guidance_scale=3.0, sampler="dpmpp-2m")
    assert small.base == base == small.settings[0]
    assert small.axis("guidance") == (replace(base, guidance_scale=1.0), base)
    assert small.axis("steps") == (replace(base, num_steps=1), base)
    assert [one.sampler for one in small.axis("sampler")] == ["dpmpp-2m", "heun"]
    assert len(small.settings) == len({one.name for one in small.settings}) == 4
    assert replace(small, samplers=("dpmpp-2m",)).axis("sampler") == ()


def test_every_setting_is_judged(finished, small):
    _, report = finished
    assert report.missing == () and [point.setting for point in report.points] == list(small.settings)
    for point in report.points:
        assert point.figures["kid-lite0"].estimate.count == 10 and point.figures["object-top-5"].estimate.count == 2
        assert "shuffled prompts" in point.figures["object-top-1"].beside and len(point.prompts) == SHOWN
    distances = [point.figures["kid-lite0"].estimate.value for point in report.points]
    assert len(set(distances)) == len(distances)


def test_a_study_that_was_stopped_goes_on(finished, small, run_study, stop_after, tmp_path):
    folder, whole = finished
    copied, last = shutil.copytree(folder, tmp_path / "study"), small.settings[-1]
    shutil.rmtree(copied / "settings" / last.name)
    first = run_study(small, copied, stop_after(0))
    assert first.missing == (last.name,) and first.points == whole.points[:-1] and first.along("sampler") == whole.points[:1]
    assert f"Not judged yet: {last.name}." in write_report(first, copied)[1].read_text()
    assert run_study(small, copied).points == whole.points
    ours, theirs = (Image.open(one / "settings" / last.name / "pictures.png") for one in (copied, folder))
    assert ours.tobytes() == theirs.tobytes()


def test_nearly_the_same_guidance_is_another_setting(finished, small, model, stop_after, tmp_path):
    near = replace(small.base, guidance_scale=small.base.guidance_scale + 1e-7)
    assert small.base.name == "dpmpp-2m-2-steps-guidance-3" and near.name == "dpmpp-2m-2-steps-guidance-3.0000001"
    copied = shutil.copytree(finished[0], tmp_path / "study")

    def judged(config):
        return Study(config, model, copied, stop_after(0), lambda _: None, lambda: 0.0)()

    config = replace(small, guidance_scales=(near.guidance_scale,), num_steps=(), samplers=())
    assert judged(config).missing == (near.name,) and "| figure | 3 | 3.0000001 |" in to_markdown(
        replace(finished[1], config=config, points=(finished[1].points[0], replace(finished[1].points[0], setting=near)))
    )
    # a folder from when names were rounded
    result = copied / "settings" / small.base.name / "result.json"
    kept = json.loads(result.read_text())
    kept["setting"]["guidance_scale"] = near.guidance_scale
    result.write_text(json.dumps(kept))
    assert judged(config).missing == (small.base.name, near.name)


def test_brackets_of_speed_are_not_called_intervals(finished):
    _, report = finished
    assert "Brackets hold 95 % intervals; the best" in to_markdown(report)
    figures = {"images-per-second": Measured(estimate=Estimate(value=2.0, count=5, interval=(1.5, 2.25)))}
    timed = replace(report, points=(replace(report.points[0], figures=figures),))
    assert "but for images per second the slowest and the fastest of 5 runs; the best" in to_markdown(timed)


def test_the_report_is_written(finished, small):
    folder, report = finished
    paths = write_report(report, folder)
    told, page = json.loads(paths[0].read_text()), paths[1].read_text()
    assert (told["format"], told["version"], told["kind"]) == ("ildm-study", 1, "sampling")
    assert [path.relative_to(folder).as_posix() for path in paths[2:]] == [
        f"{kind}/{axis}.png" for axis in ("guidance", "steps", "sampler") for kind in ("plots", "samples")
    ]
    assert "Its rows:\n\n1. " in page and all(f". {prompt}\n" in page for prompt in report.points[0].prompts)
    for heading in ("## Guidance", "## Steps", "## Samplers", "| figure | dpmpp-2m | heun |", "| figure | 1 | 3 |"):
        assert heading in page
    with Image.open(folder / "samples" / "sampler.png") as sheet:
        assert sheet.width > 2 * 128 and sheet.height > SHOWN * 128


def test_the_best_of_a_row_is_bold(small):
    def at(steps, kid, share):
        figures = {"kid-lite0": kid, "object-top-1": share, "seam-ratio": share, "recall": 0.5}
        return Point(
            setting=replace(small.base, num_steps=steps),
            figures={name: Measured(estimate=Estimate(value=value, count=9)) for name, value in figures.items()},
        )

    config = replace(small, num_steps=(1, 2), guidance_scales=(), samplers=())
    report = SamplingReport(
        config=config,
        spent=1.0,
        machine={"device": "", "system": ""},
        versions={},
        points=(at(2, 0.1, 0.4), at(1, 0.2, 0.5)),
        missing=(),
    )
    rows = to_markdown(report).splitlines()
    for row in (
        "| kid-lite0 | 0.2000 | **0.1000** |",
        "| object-top-1 | **0.5000** | 0.4000 |",
        "| seam-ratio | 0.5000 | 0.4000 |",
        "| recall | 0.5000 | 0.5000 |",
    ):
        assert row in rows


def test_which_way_is_better():
    assert all(map(lower_is_better, ("kid-lite0", "fd-lite0-64", "fid", "hole-lite0-distance-box")))
    assert not any(map(lower_is_better, ("object-top-1", "recall", "images-per-second")))


def test_only_metrics_that_look_at_drawings_are_taken():
    chosen = metrics_of_drawings()
    assert {"prompt-accuracy", "kernel-distance", "throughput"} <= set(chosen)
    assert not {"reconstruction", "fid", "inception-score"} & set(chosen)


def test_what_cannot_be_judged_is_refused(small, finished, run_study, tmp_path):
    for scale in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match=f"Guidance is 0 or more and steps are 1 or more, but {scale:g} and 1 were given"):
            replace(small, guidance_scales=(scale,))
    with pytest.raises(ConfigError, match="did you mean 'prompt-accuracy'"):
        replace(small, metrics=("prompt-acuracy",))
    with pytest.raises(ConfigError, match="did you mean 'euler'"):
        replace(small, samplers=("eular",))
    with pytest.raises(ConfigError, match="judges by something"):
        replace(small, metrics=())
    folder, _ = finished
    with pytest.raises(ConfigError, match="begun with other settings"):
        claim(folder, replace(small, weights="others"))
    with pytest.raises(ConfigError, match="begun with other settings"):
        claim(folder, replace(small, dtype="bfloat16"))
    damaged = tmp_path / "settings" / small.base.name
    damaged.mkdir(parents=True)
    (damaged / "result.json").write_text("{")
    with pytest.raises(DataError, match="measured again"):
        run_study(small, tmp_path)


def test_metrics_without_a_figure_are_told_and_nothing_is_kept(small, run_study, tmp_path):
    with pytest.raises(ConfigError, match="map-agreement asks what this model is not told"):
        run_study(replace(small, metrics=("map-agreement",)), tmp_path)
    assert not (tmp_path / "settings").exists()


def test_what_was_never_shown_nothing_is_not_guided(model):
    borrowed = replace(model, conditioner=None)
    assert default(borrowed, ("kernel-distance",)).guidance_scales == () and not is_guided(borrowed)
    with pytest.raises(ConfigError, match="guidance changes nothing: leave it out"):
        check_guided(borrowed)
    check_guided(model)
