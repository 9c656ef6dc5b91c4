"""`ildm study compression` from arguments to files, and its sentences when they are wrong."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def run(run_command):
    return lambda *arguments: run_command("compression", *arguments)


def test_it_shows_what_it_would_do(run):
    code, out, _ = run("--factor", 4, "--factor", 8, "--bottleneck", "vq", "--size", 128, "--steps", 50, "--show")
    shown = json.loads(out)
    assert code == 0 and shown["factors"] == [4, 8] and shown["bottlenecks"] == ["vq"]
    assert shown["data"]["size"] == 128 and shown["stage_two"]["loop"]["steps"] == 50


def test_a_tiny_one_runs_and_goes_on(run, tmp_path):
    arguments = ("--tiny", "--factor", 32, "--bottleneck", "kl", "--json", "--device", "cpu")
    code, out, err = run(*arguments)
    told = json.loads(out)
    assert code == 0 and told["cut"] == [] and len(told["written"]) == 5
    folder = tmp_path / "studies" / "compression-tiny"
    assert (folder / "report.md").is_file() and (folder / "arms" / "f32-kl" / "result.json").is_file()
    assert any((folder / "samples").glob("*.png")) and "f32-kl: step 2" in err
    code, out, err = run(*arguments)
    assert code == 0 and "step" not in err
    assert json.loads(out)["arms"] == told["arms"] and json.loads(out)["spent"] >= told["spent"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--factor", 3), "f is one of 1, 2, 4, 8, 16, 32, but 3 was given"),
        (("--bottleneck", "gumbel"), "bottlenecks is one of kl, vq"),
        (("--size", 100), "size is one of 64, 128, 256, but 100 was given"),
        (("--steps", 1), "--steps"),
        (("--budget", "soon"), "A duration reads like 90s, 15m or 1h30m"),
        (("--name", "../up"), "The name of a study has letters, digits"),
        (("--set", "stage_too.batch_size=2"), "did you mean 'stage_two'"),
        (("--device", "abacus"), "There is no device 'abacus' here"),
    ],
)
def test_bad_arguments_end_with_one_sentence(run, arguments, sentence):
    code, _, err = run("--tiny", *arguments)
    assert code == 2 and sentence in err and len(err.splitlines()) == 1
