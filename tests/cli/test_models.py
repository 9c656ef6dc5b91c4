"""`ildm models`: the list, and previews fitted by one command."""

import json
import shutil

import pytest
from PIL import Image

from ildm.checkpoint.load import load
from ildm.checkpoint.native import PREVIEW
from ildm.session.previews.files import find_preview, mark_of


@pytest.fixture
def folder(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "mine")


def test_the_list_is_as_ever(run):
    told = run("models")
    assert told.code == 0 and "fit-preview" not in told.out
    listed = {one["name"]: one["summary"] for one in json.loads(run("models", "--json").out)}
    assert {"emoji-maps", "emoji-scenes"} <= set(listed) and sorted(listed) == list(listed)
    assert [line.split()[0] for line in told.out.splitlines()] == list(listed)
    assert all(summary in told.out for summary in listed.values())


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("emoji-scenes", ["told        words"]),
        (
            "emoji-maps",
            ["shown       a map, each pixel the number of a class", "in maps     1 monkey face, 11 fox, 13 cat face"],
        ),
    ],
)
def test_a_model_says_what_it_takes(run, model, said):
    lines = run("info", model).out
    assert all(words in lines for words in said)
    assert ("told" in lines, "shown" in lines) == (model == "emoji-scenes", model == "emoji-maps")


def test_a_linear_preview_lies_in_the_models_folder_and_is_found(folder, run):
    told = run("models", "fit-preview", folder, "--kind", "linear", "--images", "16")
    assert told.code == 0 and str(folder / PREVIEW) in told.out
    assert "14 latents of the model's own data" in told.out and " dB beside the full decoder" in told.out
    fitted = find_preview(load(folder, device="cpu"), folder)
    assert fitted.kind == "linear" and fitted.matrix.any()


def test_a_tiny_decoder_says_what_it_gains(folder, run):
    arguments = ("--images", "24", "--steps", "250", "--json")
    told = json.loads(run("models", "fit-preview", folder, *arguments).out)
    assert told["psnr"] > told["linear_psnr"] and told["fitted_to"] == 21 and told["milliseconds"] > 0
    assert find_preview(load(folder, device="cpu"), folder).kind == told["kind"] == "tiny"


def test_a_shipped_models_folder_is_left_alone(run, tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    for number in range(4):
        Image.new("RGB", (128, 128), ("red", "green", "blue", "white")[number]).save(tmp_path / f"{number}.png")
    told = run("models", "fit-preview", "emoji-scenes", "--kind", "linear", "--from", tmp_path, "--json")
    mark = mark_of(load("emoji-scenes", device="cpu"))
    assert json.loads(told.out)["preview"] == str(tmp_path / "home" / "previews" / f"{mark}.safetensors")
    assert str(tmp_path) in json.loads(told.out)["origin"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--kind", "huge"), "--kind takes one of tiny, linear, but 'huge' was given"),
        (("--steps", "0"), "takes a whole number from 1 to 1000000, but '0' was given"),
        (("--images", "1"), "takes a whole number from 2 to 10000, but '1' was given"),
        (("--steps", "1", "--images", "8"), "is no better than a linear preview"),
        (("--from", "nowhere"), "nowhere is no folder"),
        (("--device", "abacus"), "There is no device 'abacus'"),
    ],
)
def test_bad_calls_are_one_sentence_and_write_nothing(arguments, said, folder, run):
    ended = run("models", "fit-preview", folder, *arguments)
    assert (ended.code, ended.out) == (2, "") and said in ended.err and ended.err.count("\n") == 1
    assert not (folder / PREVIEW).exists()


def test_a_place_that_cannot_be_written_is_told_before_any_work(run, tmp_path, monkeypatch):
    (tmp_path / "home").write_text("in the way")
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    ended = run("models", "fit-preview", "emoji-scenes", "--from", tmp_path / "missing")
    assert ended.code == 2 and "home is a file, not a folder" in ended.err
