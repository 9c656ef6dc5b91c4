"""`ildm convert` and what other commands do with files of other programs."""

import json

import pipelines
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sd")
    return pipelines.save(pipelines.make_pipeline("SD 1", place), place / "saved")


def test_there_and_back(folder, run, tmp_path):
    single = tmp_path / "model.safetensors"
    assert run("convert", folder, single, "--format", "single-file", "--dtype", "float16").code == 0
    told = json.loads(run("info", single, "--json").out)
    assert told["prediction"] == "epsilon" and told["conditioner"]["kind"] == "clip"
    drawn = run("generate", "a fox", "--model", single, "--num-steps", "2", "--seed", "1", "--out", tmp_path / "fox.png")
    assert drawn.code == 0 and (tmp_path / "fox.png").is_file()


def test_what_has_no_counterpart_is_said(run, trained, tmp_path):
    result = run("convert", trained, tmp_path / "out", "--format", "diffusers")
    assert result.code == 0 and "text encoder ('text')" in result.err and (tmp_path / "out" / "unet").is_dir()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("out", "--format", "gguf"), "single-file"),
        (("out", "--format", "single-file"), "a file that ends in .safetensors"),
        (("out.safetensors", "--format", "native"), "is a folder"),
        (("out", "--format", "native", "--dtype", "int4"), "bfloat16"),
        (("out", "--format", "native", "--prediction", "noise"), "epsilon, velocity, data"),
    ],
)
def test_bad_calls_are_one_sentence(arguments, told, folder, run, tmp_path):
    result = run("convert", folder, tmp_path / arguments[0], *arguments[1:])
    assert result.code == 2 and told in result.err and result.err.count("\n") == 1 and not (tmp_path / arguments[0]).exists()


def test_a_model_is_not_written_over_itself(folder, run):
    result = run("convert", folder, folder, "--format", "diffusers")
    assert result.code == 2 and "is the model itself" in result.err


def test_a_model_without_clip_is_no_single_file(run, trained, tmp_path):
    result = run("convert", trained, tmp_path / "x.safetensors", "--format", "single-file")
    assert result.code == 2 and "a text encoder of its own" in result.err
