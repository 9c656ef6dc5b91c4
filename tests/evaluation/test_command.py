"""`ildm evaluate` from arguments to files, and its sentences when they are wrong."""

from __future__ import annotations

import json
import sys

import pytest

from ildm.checkpoint import load as load_module
from ildm.cli.main import main
from ildm.core.errors import DataError


@pytest.fixture
def run(monkeypatch, capsys, noise_model, tmp_path):
    """The command in this process, with a model that draws noise: its exit code and what it said."""
    monkeypatch.setattr(load_module, "load", lambda *_, **__: noise_model)
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["ildm", "evaluate", "fake", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


SMALL = ("--split", "unseen_scene", "--sprites", "sample", "--count", 10, "--probes", 2, "--metric", "background-colour")


def test_it_writes_a_report_and_says_where(run, tmp_path):
    code, out, _ = run(*SMALL, "--seed", 3, "--num-steps", 7)
    assert code == 0
    paths = [tmp_path / "evaluation-fake" / name for name in ("report.json", "report.md", "contact-sheet.png")]
    assert all(path.exists() and f"evaluation-fake/{path.name}" in out for path in paths)
    drawing = json.loads(paths[0].read_text())["settings"]["drawing"]
    assert (drawing["seed"], drawing["num_steps"], drawing["sampler"]) == (3, 7, "heun")


def test_further_seeds_stand_beside_the_figures(run, tmp_path):
    assert run(*SMALL, "--seeds", 3)[0] == 0
    told = json.loads((tmp_path / "evaluation-fake" / "report.json").read_text())
    assert told["settings"]["num_seeds"] == 3
    for figure in told["figures"]:
        less = figure["beside"]["minus shuffled prompts, mean over 3 seeds"]
        assert less["count"] == 3 and less["interval"][0] <= less["value"] <= less["interval"][1]
        assert figure["beside"]["mean over 3 seeds"]["count"] == 3


def test_json_goes_to_the_output_alone(run, tmp_path):
    code, out, _ = run(*SMALL, "--json", "--out", tmp_path / "here")
    told = json.loads(out)
    assert code == 0 and told["format"] == "ildm-evaluation" and len(told["written"]) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--split", "unseen_scenes"), "did you mean 'unseen_scene'"),
        (("--metric", "kid"), "Unknown metric 'kid'"),
        (("--inception", "nowhere.pth"), "There is no file nowhere.pth, which should hold the weights of Inception-v3"),
        (("--metric", "fid"), "FID and the Inception score need the published weights"),
        (("--metric", "inception-score"), "FID and the Inception score need the published weights"),
        (("--count", 0), "--count (scenes of each split, for distances and reconstruction) takes a whole number from 10"),
        (("--probes", 1), "--probes (scenes with one and with two objects, for accuracies) takes a whole number from 2"),
        (
            ("--seeds", 11),
            "--seeds (draw every set so many times, and say how far figures are luck) takes a whole number from 1",
        ),
        (("--batch-size", 0), "--batch-size (images drawn at once) takes a whole number from 1"),
        (("--out", "/proc/nowhere"), "/proc/nowhere cannot be written"),
        (("--seeds", 3, "--seed", 2**53 - 2**20), "is the largest: take 9007199252643328 or less"),
        (("--count", 1000, "--seed", 2**53 - 999), "Seeds from 9007199254739993 on would reach 9007199254740992"),
        (("--seed", 2**53), "A seed is a whole number from 0 to 9007199254740991"),
        (("--split", "unseen_scene", "--split", "unseen_style"), "The split 'unseen_style' is empty for 6 concepts"),
        (("--sampler", "hoin"), "did you mean 'heun'"),
    ],
)
def test_bad_arguments_end_with_one_sentence_and_nothing_is_drawn(run, noise_model, arguments, sentence):
    former = len(noise_model.calls)
    code, _, err = run(*arguments, "--sprites", "sample")
    assert code == 2 and sentence in err and len(err.splitlines()) == 1
    assert len(noise_model.calls) == former


@pytest.mark.parametrize(("broken", "code"), [(KeyboardInterrupt(), 130), (DataError("It broke."), 2)])
def test_what_was_measured_is_kept_when_it_ends_early(run, monkeypatch, fake_model, noise_model, tmp_path, broken, code):
    def draw(prompt, seed):
        drawn.append(seed)
        if len(drawn) > 10:
            raise broken
        return noise_model.draw(prompt, seed)

    drawn = []
    monkeypatch.setattr(load_module, "load", lambda *_, **__: fake_model(draw))
    ended, _, err = run(*SMALL)
    assert ended == code and "What was measured until now is in evaluation-fake." in err
    told = json.loads((tmp_path / "evaluation-fake" / "report.json").read_text())
    assert {figure["kind"] for figure in told["figures"]} == {"scenes"}
    assert told["notes"][0].endswith("unseen_scene, scenes; unseen_scene, one object; unseen_scene, two objects.")
    page = (tmp_path / "evaluation-fake" / "report.md").read_text()
    assert "This was written before all was measured." in page and (tmp_path / "evaluation-fake" / "contact-sheet.png").exists()


def test_a_whole_report_says_nothing_of_being_unfinished(run, tmp_path):
    run(*SMALL)
    assert json.loads((tmp_path / "evaluation-fake" / "report.json").read_text())["notes"] == []


def test_who_ends_before_anything_was_measured_finds_no_report(run, monkeypatch, fake_model, tmp_path):
    def draw(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(load_module, "load", lambda *_, **__: fake_model(draw))
    code, _, err = run(*SMALL)
    assert code == 130 and "measured" not in err and not (tmp_path / "evaluation-fake").exists()
