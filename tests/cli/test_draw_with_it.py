"""What `ildm train` and `ildm models get` say at their end draws with the model that was made or taken in."""

import shlex

import numpy as np
import pytest
from PIL import Image
from tiny_inputs import SHORT

from ildm.checkpoint.native import read_manifest, save_native
from ildm.cli.draw_with_it import draw_with_it

TOLD = {
    "text-tiny": '"..."',
    "class-tiny": '"monkey face"',
    "layout-tiny": '"monkey face 0.1 0.1 0.6 0.9"',
    "unconditional-tiny": "",
    "inpainting-tiny": "--image picture.png --mask mask.png",
    "semantic-map-tiny": "--image map.png",
    "super-resolution-tiny": "--image small.png",
}
SETTINGS = [part for one in SHORT for part in ("--set", one)]


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A home and a working folder that holds the pictures which commands speak of."""
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    numbers = np.zeros((64, 64), np.uint8)
    numbers[16:48, 16:48] = 7
    Image.fromarray(numbers).save("map.png")
    Image.fromarray(numbers * 30).save("mask.png")
    Image.new("RGB", (64, 64), "red").save("picture.png")
    Image.new("RGB", (16, 16), "red").save("small.png")


def command_of(said):
    return said.out.partition("Draw with it: ")[2].strip()


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize("name", TOLD)
def test_the_command_that_is_told_draws(run, tmp_path, name):
    trained = run("train", name, *SETTINGS)
    assert trained.code == 0, trained.err
    command = command_of(trained)
    assert command == " ".join(part for part in ("ildm generate", TOLD[name], f"--model {name}") if part)
    drawn = run(*shlex.split(command)[1:], "--out", "drawn.png")
    assert drawn.code == 0, drawn.err
    taken = run("models", "get", "mine", "--from", tmp_path / "home" / "runs" / name / "model")
    assert command_of(taken) == command.replace(f"--model {name}", "--model mine")


@pytest.mark.usefixtures("pictures")
def test_a_model_without_a_summary_is_told_whole(run, trained, tmp_path):
    from ildm.checkpoint.load import load

    model = load(trained, device="cpu")
    model.manifest = model.manifest.model_copy(update={"summary": ""})
    save_native(model, tmp_path / "given")
    assert run("models", "get", "mine", "--from", tmp_path / "given").out.startswith("mine: installed.\n")


def test_names_with_brackets_are_escaped(trained):
    for kind in ("label", "layout"):
        manifest = read_manifest(trained).model_copy(update={"conditioner": {"kind": kind, "names": ["button (large)"]}})
        assert r"button \(large\)" in draw_with_it("x", manifest)
