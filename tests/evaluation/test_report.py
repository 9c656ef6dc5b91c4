"""A report is readable by programs and people, and its files are written whole."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image

from ildm.evaluation.metric import Estimate, Figure
from ildm.evaluation.report import Entry, Picture, Report


@pytest.fixture
def report():
    found = Figure(
        name="object-top-1",
        estimate=Estimate(value=0.5, count=8, interval=(0.25, 0.75)),
        beside={"real renders": Estimate(value=1234.5, count=8)},
    )
    picture = Picture(prompt="a very long prompt about a rocket " * 9, pixels=torch.full((3, 64, 64), 7, dtype=torch.uint8))
    return Report(
        model={"name": "fake", "sha256": "0123456789abcdef0000"},
        settings={"drawing": {"sampler": "heun", "num_steps": 9, "guidance_scale": 2.5, "seed": 0, "batch_size": 4}},
        machine={"device": "cpu, 2 threads", "system": "Linux"},
        versions={"torch": "2"},
        entries=(Entry(metric="prompt-accuracy", split="unseen_scene", kind="one object", figure=found),),
        pictures=(picture,) * 10,
        notes=("No FID here, and this is why.",),
    )


def test_markdown_has_the_figure_with_interval_count_and_what_stands_beside_it(report):
    page = report.to_markdown()
    assert "## unseen_scene: scenes with one object" in page
    assert "| object-top-1 | 8 | **0.5000 [0.2500, 0.7500]** | real renders 1234 |" in page
    assert "\nNo FID here, and this is why.\n" in page and report.to_json()["notes"] == ["No FID here, and this is why."]
    assert "heun, 9 steps, guidance 2.5" in page and "0123456789abcdef;" not in page and "0123456789abcdef." in page


def test_only_the_brackets_of_speed_are_a_range(report):
    assert "Brackets hold 95 % intervals. N is" in report.to_markdown()
    speed = Figure(name="images-per-second-batch-8", estimate=Estimate(value=2.0, count=40, interval=(1.5, 2.25)))
    [entry] = report.entries
    timed = replace(report, entries=(entry, replace(entry, metric="throughput", figure=speed)))
    assert (
        "Brackets hold 95 % intervals, but for images per second the slowest and the fastest of 5 runs." in timed.to_markdown()
    )


def test_files_are_written_and_read_back(report, tmp_path):
    paths = report.save(tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["report.json", "report.md", "contact-sheet.png"]
    assert json.loads(paths[0].read_text())["figures"][0]["estimate"] == {"value": 0.5, "count": 8, "interval": [0.25, 0.75]}
    with Image.open(paths[2]) as sheet:
        # 64-pixel images are doubled; eight to a row, so ten need two
        assert sheet.width == 8 * 136 + 8 and sheet.getpixel((10, 10)) == (7, 7, 7)
        assert sheet.getpixel((10, sheet.height // 2 + 10)) == (7, 7, 7)


def test_without_pictures_there_is_no_sheet(report, tmp_path):
    plain = Report(**{name: getattr(report, name) for name in ("model", "settings", "machine", "versions", "entries")})
    assert len(plain.save(tmp_path)) == 2


def test_find_looks_by_name_split_and_kind(report):
    assert report.find("object-top-1", split="unseen_scene", kind="one object") is not None
    assert report.find("object-top-1", split="train") is None and report.find("kid-lite0") is None
