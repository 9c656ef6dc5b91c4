"""`ildm study conditioning` from arguments to files, and its sentences when they are wrong."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def run(run_command):
    return lambda *arguments: run_command("conditioning", *arguments)


def test_it_shows_what_it_would_do(run):
    code, out, _ = run("--steps", 50, "--seeds", 5, "--set", "recipe.stage_two.batch_size=8", "--show")
    shown = json.loads(out)
    assert code == 0 and shown["seeds"] == 5 and shown["recipe"]["first_stage"] == "emoji-scenes"
    assert shown["recipe"]["stage_two"]["batch_size"] == 8 and shown["recipe"]["stage_two"]["loop"]["steps"] == 50


def test_a_tiny_one_runs_and_goes_on(run, tmp_path):
    code, out, err = run("--tiny", "--json", "--device", "cpu")
    told = json.loads(out)
    assert code == 0 and told["missing"] == [] and len(told["written"]) == 3 and "cross-attention-1: step 2" in err
    folder = tmp_path / "studies" / "conditioning-tiny"
    assert (folder / "report.md").is_file() and len(list((folder / "samples").glob("*.png"))) == 4
    code, out, err = run("--tiny", "--device", "cpu")
    assert code == 0 and "step 2" not in err and out.startswith("# Routes for a semantic map compared")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--seeds", 1), "--seeds"),
        (("--steps", 2), "too small to be judged at 3 moments"),
        (("--budget", "soon"), "A duration reads like 90s, 15m or 1h30m"),
        (("--name", "../up"), "The name of a study has letters, digits"),
        (("--set", "recipe.stage_too.batch_size=2"), "did you mean 'stage_two'"),
        (("--set", "recipe.first_stage="), "name a model in recipe.first_stage"),
    ],
)
def test_bad_arguments_get_one_sentence(run, arguments, sentence):
    code, out, err = run(*arguments)
    assert code == 2 and sentence in err and len(err.splitlines()) == 1 and not out
