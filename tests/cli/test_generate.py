"""`ildm generate` and `ildm info`, from words to a PNG that restores its call."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from toy import build_model

from ildm.checkpoint.native import save_native
from ildm.cli import drawing
from ildm.cli.drawing import batch_size, draw_in_batches
from ildm.denoiser.unet import UNet
from ildm.model import Model


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


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image, dtype=np.int16)


def test_many_images_are_drawn_a_few_at_a_time_and_look_the_same(run, trained, tmp_path, monkeypatch):
    calls = []
    whole = Model.generate

    def counted(self, prompts, **settings):
        calls.append(len(prompts))
        return whole(self, prompts, **settings)

    monkeypatch.setattr(Model, "generate", counted)
    arguments = ("--model", trained, "--num-steps", 2, "--json")
    many = json.loads(run("generate", "a rose", "--count", 10, "--seed", 1, "--out", tmp_path, *arguments).out)
    assert calls == [8, 2] and [entry["seed"] for entry in many] == list(range(1, 11))
    for entry in (many[0], many[8]):
        path = tmp_path / "alone.png"
        run("generate", "a rose", "--seed", entry["seed"], "--out", path, *arguments)
        assert np.abs(pixels(path) - pixels(entry["path"])).max() <= 1


def test_large_images_are_drawn_alone():
    assert [batch_size(side, side) for side in (64, 512, 1024, 4096)] == [8, 8, 2, 1]


def test_what_was_drawn_before_an_interruption_is_kept(run, trained, tmp_path, monkeypatch):
    whole, calls = Model.generate, []

    def interrupted(self, prompts, **settings):
        calls.append(prompts)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, prompts, **settings)

    monkeypatch.setattr(Model, "generate", interrupted)
    ended = run("generate", "a rose", "--count", 10, "--model", trained, "--num-steps", 1, "--out", tmp_path)
    assert ended.code == 130 and len(list(tmp_path.glob("*.png"))) == len(ended.out.splitlines()) == 8


def test_progress_counts_the_steps_of_all_batches(trained, monkeypatch):
    from ildm.checkpoint.native import load_native

    monkeypatch.setattr(drawing, "MOST_AT_ONCE", 2)
    seen = []
    batches = draw_in_batches(
        load_native(trained), ["", "", ""], [1, 2, 3], size=(64, 64), progress=lambda *at: seen.append(at), num_steps=2
    )
    assert [len(images) for images in batches] == [2, 1]
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_empty_prompt_and_one_that_is_read_in_parts_are_told(run, trained, tmp_path):
    arguments = ("--model", trained, "--num-steps", 1, "--out", tmp_path, "--json")
    assert run("generate", "a rose", *arguments).err == ""
    empty = run("generate", " ", *arguments)
    assert empty.code == 0 and json.loads(empty.out) and "The prompt is empty" in empty.err
    long = run("generate", "a rose and a key " * 40, *arguments)
    assert long.code == 0 and re.search(r"is read in \d+ parts", long.err) and len(long.err.splitlines()) == 1


def test_a_call_with_numbers_that_json_lacks_is_still_json(run, tmp_path):
    text = PngInfo()
    text.add_itxt("ildm", '{"prompt": "a", "guidance_scale": NaN}')
    Image.new("RGB", (8, 8)).save(tmp_path / "old.png", pnginfo=text)

    def refuse(name):
        pytest.fail(f"bare {name}")

    call = json.loads(run("info", tmp_path / "old.png", "--json").out, parse_constant=refuse)
    assert call == {"prompt": "a", "guidance_scale": "NaN"}
    damaged = PngInfo()
    damaged.add_itxt("ildm", '{"prompt": ')
    Image.new("RGB", (8, 8)).save(tmp_path / "damaged.png", pnginfo=damaged)
    ended = run("info", tmp_path / "damaged.png")
    assert ended.code == 2 and "is damaged" in ended.err


def test_a_manifest_with_numbers_that_json_lacks_is_still_json(run, trained, tmp_path):
    fields = json.loads((trained / "model.json").read_text())
    fields["training"]["loss"] = float("nan")
    (tmp_path / "model.json").write_text(json.dumps(fields))
    out = run("info", tmp_path, "--json").out
    assert json.loads(out, parse_constant=lambda name: pytest.fail(f"bare {name}"))["training"]["loss"] in (None, "NaN")


def test_one_damaged_model_does_not_hide_the_others(run, trained, tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path))
    for name, text in (("good", (trained / "model.json").read_text()), ("bad", "{")):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "model.json").write_text(text)
    said = run("models")
    assert said.code == 0
    [bad] = [line for line in said.out.splitlines() if line.startswith("bad ")]
    assert "damaged" in bad and any(line.startswith("good ") for line in said.out.splitlines())
    listed = {entry["name"]: entry for entry in json.loads(run("models", "--json").out)}
    assert "problem" in listed["bad"] and "summary" in listed["good"]


def test_the_shipped_models_concepts_are_named(run):
    concepts = json.loads(run("info", "emoji-scenes", "--json").out)["concepts"]
    out = run("info", "emoji-scenes").out
    assert len(concepts) > 100 and all(concept in " ".join(out.split()) for concept in concepts)
    assert max(map(len, out.splitlines())) <= 128


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
        (["generate", "a rose", "--model", "TRAINED", "--width", "61"], "multiples of 16: try 48x64 or 64x64."),
        (["generate", "--boxes", "boxes.json", "--model", "TRAINED"], "--boxes is for layout models, but 'TRAINED' is none"),
        (["generate", "a rose", "--model", "TRAINED", "--sampler", "eulr"], "did you mean 'euler'"),
        (["generate", "a rose", "--model", "TRAINED", "--seed", "-4"], "whole number"),
        (["generate", "a rose", "a key", "--model", "TRAINED", "--seed", str(2**53 - 1)], "A seed is a whole number"),
        (["generate", "a rose", "--model", "TRAINED", "--device", "abacus"], "There is no device 'abacus' here: take cpu"),
        (["generate", "a rose", "--model", "TRAINED", "--out", "/proc/x/y.png"], "/proc/x/y.png cannot be written"),
        (["generate", "a rose", "--model", "TRAINED", "--out", "TRAINED/model.json/y.png"], "is a file, not a folder"),
        (["generate", "a rose", "--model", "TRAINED", "--out", "/proc/x"], "/proc/x cannot be written"),
        (["demo", "--model", "TRAINED", "--out", "/proc/x"], "/proc/x/sheet.png cannot be written"),
        (["evaluate", "TRAINED", "--sprites", "sample", "--out", "/proc/x"], "/proc/x cannot be written"),
        (["data", "emoji", "--sprites", "sample", "--export", "/proc/x"], "/proc/x cannot be written"),
        (["data", "emoji", "--sprites", "sample", "--preview", "/proc/x.png"], "/proc/x.png cannot be written"),
        (["generate", "a rose", "--model", "TRAINED", "--dtype", "float17"], "did you mean 'float16'"),
        (["generate", "a rose", "a key", "--model", "TRAINED", "--out", "one.png"], "do not fit into the one file"),
        (["generate", "a rose", "--model", "TRAINED", "--out", "one.gif"], "a .png file or a folder"),
        (["info", "TRAINED/tokenizer.json"], "expected a folder with model.json"),
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
    assert ended.code == 2 and said.replace("TRAINED", str(trained)) in ended.err and "Traceback" not in ended.err
    assert ended.err.strip().count("\n") == 0 and ended.err.startswith("ildm: ")
    assert not list(tmp_path.iterdir())


def test_a_home_that_is_a_file_is_told(run, tmp_path, monkeypatch):
    (tmp_path / "home").write_text("not a folder")
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    ended = run("train", "emoji-tiny")
    assert ended.code == 2 and f"{tmp_path / 'home'} is a file, not a folder" in ended.err
    assert run("models").code == 0


def test_nothing_is_drawn_before_the_place_is_tried(run, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("ildm.model.Model.generate", lambda *_, **__: pytest.fail("it was drawn"))
    (tmp_path / "folder.png").mkdir()
    ended = run("generate", "a rose", "--model", trained, "--out", tmp_path / "folder.png")
    assert ended.code == 2 and "is a folder, but a file is to be written there" in ended.err
    assert run("demo", "--model", trained, "--out", "/proc/q").code == 2


def test_a_picture_of_someone_else_is_told(run, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "other.png")
    ended = run("info", tmp_path / "other.png")
    assert ended.code == 2 and "was not made by ildm" in ended.err
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    assert "cannot be read as an image" in run("info", tmp_path / "broken.png").err


def test_what_lies_outside_the_mask_keeps_its_bytes(run, tmp_path):
    toy = build_model()
    torch.manual_seed(0)
    unet = UNet(replace(toy.unet.config, concat_channels=5))
    manifest = toy.manifest.model_copy(update={"name": "holes"})
    save_native(Model(manifest, toy.autoencoder, unet, toy.conditioner, toy.path), tmp_path / "holes")
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    hole = np.zeros((64, 64), np.uint8)
    hole[10:30, 20:50] = 255
    for name, array in (("picture", picture), ("hole", hole)):
        Image.fromarray(array).save(tmp_path / f"{name}.png")
    shown = ("--image", tmp_path / "picture.png", "--mask", tmp_path / "hole.png")
    out = tmp_path / "drawn.png"
    ended = run("generate", "a rose", "--model", tmp_path / "holes", *shown, "--seed", 3, "--num-steps", 2, "--out", out)
    assert ended.code == 0, ended.err
    drawn, inside = pixels(out), hole > 0
    assert np.array_equal(drawn[~inside], picture[~inside])
    assert not np.array_equal(drawn[inside], picture[inside])
    assert json.loads(run("info", out, "--json").out)["seed"] == 3


def test_a_map_of_a_class_that_the_model_has_not_learned_is_refused(run, tmp_path):
    numbers = np.full((128, 128), 55, np.uint16)  # a hedgehog
    Image.fromarray(numbers).save(tmp_path / "map.png")
    told = run("generate", "--model", "emoji-maps", "--image", tmp_path / "map.png", "--out", tmp_path / "drawn.png")
    assert told.code == 2 and "number 55, 'hedgehog', which this model has not learned" in told.err
    assert not (tmp_path / "drawn.png").exists()
