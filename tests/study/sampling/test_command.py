"""`ildm study sampling` from arguments to files, and its sentences when they are wrong."""

from __future__ import annotations

import json

import pytest

from ildm.study.sampling.study import metrics_of_drawings


@pytest.fixture
def run(run_command):
    return lambda *arguments: run_command("sampling", *arguments)


def test_it_shows_what_it_would_do(run):
    code, out, _ = run("emoji-scenes", "--guidance-scale", 4, "--sampler", "heun", "--count", 20, "--show")
    shown = json.loads(out)
    assert code == 0 and shown["guidance_scales"] == [4.0] and shown["num_steps"] == [10, 15, 25, 50]
    assert shown["samplers"] == ["heun"] and (shown["num_images"], shown["num_probes"]) == (20, 384)
    assert shown["model"] == "emoji-scenes" and shown["metrics"] == list(metrics_of_drawings())


def test_a_tiny_one_runs_and_goes_on(run, tmp_path):
    arguments = ("emoji-scenes", "--tiny", "--metric", "kernel-distance", "--device", "cpu")
    code, out, err = run(*arguments, "--json")
    told = json.loads(out)
    assert code == 0 and told["missing"] == [] and len(told["written"]) == 6 and "2-steps-guidance-1: kid-lite0" in err
    assert (tmp_path / "studies" / "sampling-emoji-scenes-tiny" / "report.md").is_file()
    code, out, err = run(*arguments)
    assert code == 0 and "kid-lite0" not in err and out.startswith("# emoji-scenes at other settings")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--guidance-scale", -2), "takes a number from 0 to 100, but '-2' was given"),
        (("--guidance-scale", 2, "--guidance-scale", 500), "takes a number from 0 to 100, but '500' was given"),
        (("--guidance-scale", "nan"), "takes a number from 0 to 100, but 'nan' was given"),
        (("--tiny", "--metric", "map-agreement"), "asks what this model is not told"),
        (("--num-steps", 0), "--num-steps"),
        (("--sampler", "hoin"), "did you mean 'heun'"),
        (("--metric", "kernel-distanse"), "did you mean 'kernel-distance'"),
        (("--budget", "soon"), "A duration reads like 90s, 15m or 1h30m"),
        (("--name", "../up"), "The name of a study has letters, digits"),
    ],
)
def test_bad_arguments_get_one_sentence(run, arguments, sentence):
    code, out, err = run("emoji-scenes", *arguments)
    assert code == 2 and sentence in err and len(err.splitlines()) == 1 and not out


def test_a_model_that_is_not_there(run):
    code, _, err = run("emoji-scene")
    assert code == 2 and len(err.splitlines()) == 1 and "emoji-scene" in err
