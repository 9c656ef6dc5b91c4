"""`ildm generate` and `ildm info`, from words to a PNG that restores its call."""

import json

import numpy as np
import pytest
from PIL import Image


def test_words_become_a_picture_that_restores_its_call(run, trained, tmp_path):
    path = tmp_path / "rose.png"
    first = run(
        "generate", "a rose on a plain blue background", "--model", trained, "--seed", 7, "--out", path, "--num-steps", 3
    )
    assert first.code == 0 and str(path) in first.out
    call = json.loads(run("info", path, "--json").out)
    assert call["prompt"] == "a rose on a plain blue background" and call["seed"] == 7 and call["num_steps"] == 3
    assert call["model"] == "emoji-tiny" and len(call["model_files"]) == 4
    again = tmp_path / "again.png"
    arguments = [
        part
        for key in ("num_steps", "guidance_scale", "sampler", "seed", "width", "height")
        for part in (f"--{key.replace('_', '-')}", call[key])
    ]
    assert run("generate", call["prompt"], "--model", trained, "--out", again, *arguments).code == 0
    with Image.open(path) as one, Image.open(again) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_several_prompts_make_several_files(run, trained, tmp_path):
    made = run(
        "generate",
        "a rose",
        "a key",
        "--count",
        2,
        "--model",
        trained,
        "--seed",
        1,
        "--num-steps",
        2,
        "--out",
        tmp_path,
        "--json",
    )
    entries = json.loads(made.out)
    assert [entry["seed"] for entry in entries] == [1, 2, 3, 4]
    for entry in entries:
        with Image.open(entry["path"]) as image:
            assert image.size == (64, 64)


def test_a_models_manifest_in_words_and_as_json(run, trained):
    assert "emoji-tiny" in run("info", trained).out
    manifest = json.loads(run("info", trained, "--json").out)
    assert manifest["format"] == "ildm-model" and manifest["training"]["recipe"]["name"] == "emoji-tiny"


def test_a_run_is_known_by_its_name(run, trained, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(trained.parents[2]))
    assert "emoji-tiny" in run("models").out
    assert json.loads(run("info", "emoji-tiny", "--json").out)["name"] == "emoji-tiny"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generate", "a rose", "--model", "nothing-like-it"], "There is no model 'nothing-like-it'"),
        (["generate", "a rose", "--model", "TRAINED", "--width", "61"], "multiples of 8"),
        (["generate", "a rose", "--model", "TRAINED", "--sampler", "eulr"], "did you mean 'euler'"),
        (["generate", "a rose", "--model", "TRAINED", "--num-steps", "0"], "at least 1 step"),
        (["generate", "a rose", "--model", "TRAINED", "--seed", "-4"], "whole number"),
        (["generate", "a rose", "--model", "TRAINED", "--device", "abacus"], "'abacus' cannot be used"),
        (["generate", "a rose", "--model", "TRAINED", "--dtype", "float17"], "did you mean 'float16'"),
        (["generate", "a rose", "a key", "--model", "TRAINED", "--out", "one.png"], "do not fit into the one file"),
        (["generate", "a rose", "--model", "TRAINED", "--out", "one.gif"], "a .png file or a folder"),
        (["info", "TRAINED/tokenizer.json"], "not a model folder"),
        (["train", "emojy"], "did you mean 'emoji'"),
        (["train", "emoji-tiny", "--set", "stage_one.stepz=3"], "Unknown key 'stepz'"),
        (["train", "emoji-tiny", "--set", "autoencoder.chanels=64"], "did you mean 'channels'"),
        (["train", "emoji-tiny", "--set", "stage_two.batch_size=many"], "a whole number"),
        (["train", "emoji-tiny", "--set", "stage_two.batch_size"], "key=value"),
        (["train", "emoji-tiny", "--time-limit", "soon"], "A duration reads like"),
        (["train", "images", "--data", "never-imported"], "never-imported"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(run, trained, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    ended = run(*[argument.replace("TRAINED", str(trained)) for argument in arguments])
    assert ended.code == 2 and said in ended.err and "Traceback" not in ended.err
    assert ended.err.strip().count("\n") == 0 and ended.err.startswith("ildm: ")
    assert not list(tmp_path.iterdir())


def test_debug_shows_the_traceback(run, trained, monkeypatch):
    from ildm.cli.main import main
    from ildm.core.errors import CheckpointError

    monkeypatch.setattr("sys.argv", ["ildm", "--debug", "info", "nothing-like-it"])
    with pytest.raises(CheckpointError):
        main()


def test_a_picture_of_someone_else_is_told(run, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png")
    ended = run("info", tmp_path / "other.png")
    assert ended.code == 2 and "was not made by ildm" in ended.err
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    assert "cannot be read as an image" in run("info", tmp_path / "broken.png").err
