"""`ildm convert` and what other commands do with files of other programs."""

import json

import pipelines
import pytest
import safetensors.torch
import torch

from ildm.checkpoint.convert import convert
from ildm.checkpoint.load import load
from ildm.session.session import Session


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


def test_nothing_but_a_model_gives_way(folder, run, trained, tmp_path):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    for replace in ((), ("--replace",)):
        refused = run("convert", folder, target, "--format", "native", *replace)
        assert refused.code == 2 and "no part of a model (thesis.txt): give a new or an empty folder" in refused.err
    (target / "thesis.txt").rename(tmp_path / "thesis.txt")
    assert run("convert", trained, target, "--format", "native").code == 0  # an empty folder is as good as none
    for kind in ("native", "diffusers"):
        refused = run("convert", folder, target, "--format", kind)
        assert refused.code == 2 and f"There is a model at {target} already: give --replace" in refused.err
        assert json.loads(run("info", target, "--json").out)["name"] == "emoji-tiny"
    assert run("convert", folder, target, "--format", "diffusers", "--replace").code == 0
    assert run("convert", folder, target, "--format", "native", "--replace").code == 0
    (target / "notes.txt").write_text("beside it")
    assert "(notes.txt)" in run("convert", trained, target, "--format", "native", "--replace").err
    assert (tmp_path / "thesis.txt").read_text() == "years of work" and (target / "notes.txt").is_file()


def test_a_file_that_is_there_stays(folder, run, tmp_path):
    single = tmp_path / "other.safetensors"
    single.write_text("precious")
    refused = run("convert", folder, single, "--format", "single-file")
    assert refused.code == 2 and "give --replace, or another place" in refused.err and single.read_text() == "precious"
    assert run("convert", folder, single, "--format", "single-file", "--replace").code == 0
    assert json.loads(run("info", single, "--json").out)["conditioner"]["kind"] == "clip"


@pytest.mark.parametrize("kind", ["native", "diffusers"])
def test_a_place_without_a_name_is_one_sentence(kind, folder, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused = run("convert", folder, ".", "--format", kind)
    assert refused.code == 2 and "add one, as in new." in refused.err and not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def bare(folder, tmp_path_factory):
    """A single file that does not say what its network predicts, as others write it."""
    path = tmp_path_factory.mktemp("bare") / "bare.safetensors"
    convert(folder, path, "single-file")
    safetensors.torch.save_file(safetensors.torch.load_file(path), path)
    return path


def test_what_the_files_say_is_not_said_otherwise(folder, bare, run, trained, tmp_path):
    for model in (folder, trained):
        stated = json.loads(run("info", model, "--json").out)["prediction"]
        other = "epsilon" if stated == "velocity" else "velocity"
        for command in (
            ("info", model),
            ("generate", "a fox", "--model", model),
            ("convert", model, tmp_path / "x", "--format", "native"),
        ):
            refused = run(*command, "--prediction", other)
            assert refused.code == 2 and f"predicts {stated}, but the prediction {other} was given" in refused.err
            assert len(refused.err.splitlines()) == 1
        assert run("info", model, "--prediction", stated).code == 0
    marked = tmp_path / "marked.safetensors"
    safetensors.torch.save_file(safetensors.torch.load_file(bare) | {"v_pred": torch.empty(0)}, marked)
    assert "predicts velocity" in run("info", marked, "--prediction", "epsilon").err
    assert json.loads(run("info", bare, "--prediction", "velocity", "--json").out)["prediction"] == "velocity"


def test_what_was_put_in_is_recorded_and_asked_for_again(folder, bare, run, tmp_path):
    unet, vae = (folder / part / "diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
    drawn, usual = tmp_path / "drawn.png", ("--model", bare, "--num-steps", 1, "--width", 64, "--height", 64)
    parts = ("--unet", unet, "--vae", vae)
    made = run("generate", "a fox", "--seed", 1, "--prediction", "velocity", *parts, *usual, "--out", drawn)
    assert made.code == 0, made.err
    call = json.loads(run("info", drawn, "--json").out)
    assert (call["prediction"], call["unet"], call["vae"], call["model_files"]) == ("velocity", str(unet), str(vae), {})
    again = run("generate", "--like", drawn, *usual, "--out", tmp_path / "again.png")
    assert again.code == 0 and json.loads(run("info", tmp_path / "again.png", "--json").out)["prediction"] == "velocity"
    assert [line.split("drawn with ")[1] for line in again.err.splitlines()] == [
        f"{path}, not taken from it: give it with --{name}." for name, path in (("unet", unet), ("vae", vae))
    ]
    same = run("generate", "--like", drawn, *usual, *parts, "--out", tmp_path / "same.png")
    assert (same.code, same.err) == (0, "") and json.loads(run("info", tmp_path / "same.png", "--json").out) == call


def test_a_session_of_a_model_that_was_put_together_is_replayed_with_its_parts(folder, bare, run, tmp_path):
    unet, vae = (folder / part / "diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
    model = load(bare, prediction="velocity", unet=unet, vae=vae, dtype="float32")
    Session(model, "a fox", num_steps=1, seed=1, width=64, height=64).run().save(tmp_path / "drawn.png")
    usual = ("replay", tmp_path / "drawn.png", "--model", bare, "--dtype", "float32", "--verify")
    parts = ("--prediction", "velocity", "--unet", unet, "--vae", vae)
    assert run(*usual, *parts).out.strip() == "state 1: the same, bit for bit"
    # by its weights alone it is the same model
    alone = run(*usual)
    assert alone.code == 2 and "--prediction" in alone.err and len(alone.err.splitlines()) == 1
    refused = run(*usual, "--prediction", "veloctiy")
    assert refused.code == 2 and "velocity" in refused.err


def test_another_u_net_makes_another_model(folder, tmp_path):
    """What was steered with it is not taken for the plain model's."""
    own, other = folder / "unet" / "diffusion_pytorch_model.safetensors", tmp_path / "other.safetensors"
    convert(folder, tmp_path / "native", "native")
    weights = safetensors.torch.load_file(own)
    safetensors.torch.save_file({name: weight + 1 for name, weight in weights.items()}, other)
    hashes = [load(tmp_path / "native", device="cpu", unet=unet).hash for unet in (None, own, other)]
    assert len(set(hashes)) == 3
