"""Settings that pictures carry: shown by `ildm info`, drawn again by `ildm generate --like`, and said to other programs."""

import json
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

import ildm
from ildm.cli.like import read_likeness
from ildm.cli.main import main
from ildm.core.seeds import MAX_SEED
from ildm.session.pictures.parameters import Parameters, read_parameters

TEXT = "a key\nNegative prompt: a rose\nSteps: 2, Sampler: {}, CFG scale: 1.5, Seed: {}, Size: 32x64, Model: fruit"


def png(path, key, text):
    chunks = PngInfo()
    chunks.add_itxt(key, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    return path


def call_of(run, path):
    return json.loads(run("info", path, "--json").out)


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture(scope="module")
def rose(trained, tmp_path_factory):
    """A picture of ours with every setting its own, and the call it carries."""
    path = tmp_path_factory.mktemp("rose") / "rose.png"
    settings = {"--num-steps": 2, "--guidance-scale": 4, "--guidance-rescale": 0.5, "--sampler": "euler", "--width": 32}
    options = [str(part) for option in settings.items() for part in option]
    words = ["generate", "a rose", "--negative-prompt", "a key", "--seed", "7", "--apg", "--model", str(trained), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["ildm", *words, "--out", str(path)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert not ended.value.code
    with Image.open(path) as image:
        return path, json.loads(image.info["ildm"])


def test_a_picture_of_ours_is_drawn_again(run, trained, rose, tmp_path):
    path, call = rose
    ended = run("generate", "--like", path, "--model", trained, "--out", tmp_path / "again.png")
    assert (ended.code, ended.err) == (0, "")
    assert call_of(run, tmp_path / "again.png") == call and call["apg"] and call["guidance_rescale"] == 0.5
    assert np.array_equal(pixels(tmp_path / "again.png"), pixels(path))


def test_what_is_said_wins(run, trained, rose, tmp_path):
    path, call = rose
    said = {"negative_prompt": "", "num_steps": 1, "guidance_scale": 2.0, "guidance_rescale": 0.0, "sampler": "ddim", "seed": 9}
    options = [part for name, value in said.items() for part in (f"--{name.replace('_', '-')}", value)]
    made = run("generate", "a key", "a pin", "--like", path, "--model", trained, "--out", tmp_path, "--json", *options)
    first, second = json.loads(made.out)
    assert call_of(run, first["path"]) == call | said | {"prompt": "a key"}
    assert call_of(run, second["path"]) == call | said | {"prompt": "a pin", "seed": 10}


def test_the_model_is_taken_by_its_name(run, trained, rose, tmp_path, monkeypatch):
    path, call = rose
    monkeypatch.setenv("ILDM_HOME", str(trained.parents[2]))
    ended = run("generate", "--like", path, "--out", tmp_path / "again.png")
    assert ended.err == "" and np.array_equal(pixels(tmp_path / "again.png"), pixels(path))
    other = png(tmp_path / "other.png", "ildm", json.dumps(call | {"model_files": {"denoiser.safetensors": "0" * 64}}))
    ended = run("generate", "--like", other, "--out", tmp_path / "again.png")
    assert ended.code == 0 and "was drawn by another 'emoji-tiny' than the one here" in ended.err
    other = png(tmp_path / "other.png", "ildm", json.dumps(call | {"model": "unknown"}))
    ended = run("generate", "--like", other, "--out", tmp_path / "again.png", "--num-steps", 1)
    assert ended.code == 0 and "names the model 'unknown', which is not taken from it: emoji-scenes draws." in ended.err
    for name in (str(trained), "../emoji-tiny", ""):
        likeness = read_likeness(png(tmp_path / "other.png", "ildm", json.dumps(call | {"model": name})), ())
        assert "model" not in likeness.settings and likeness.refused["model"] == name


def test_of_a_live_session_only_the_settings_are_taken_which_is_said(run, trained, rose, tmp_path):
    _, call = rose
    steered = png(tmp_path / "steered.png", "ildm", json.dumps(call | {"log_hash": "0" * 64}))
    ended = run("generate", "--like", steered, "--model", trained, "--out", tmp_path / "again.png")
    assert ended.code == 0 and "was made in a live session" in ended.err and f"ildm replay {steered}" in ended.err


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_picture_of_another_program_lends_its_settings(run, trained, tmp_path, suffix):
    path, out = tmp_path / f"other.{suffix}", tmp_path / "again.png"
    if suffix == "png":
        png(path, "parameters", TEXT.format("Euler a", 3))
    else:
        exif = Image.Exif()
        exif[ExifTags.Base.Software] = "a program"
        comment = b"UNICODE\0" + TEXT.format("Euler a", 3).encode("utf-16-be")
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
        Image.new("RGB", (8, 8)).save(path, exif=exif)
    shown = {"prompt": "a key", "negative_prompt": "a rose", "num_steps": 2, "sampler": "euler-ancestral"}
    shown |= {"guidance_scale": 1.5, "seed": 3, "width": 32, "height": 64}
    assert call_of(run, path) == shown | {"model": "fruit"} and '"prompt": "a key"' in run("info", path).out
    ended = run("generate", "--like", path, "--model", trained, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert call_of(run, out).items() >= shown.items()


def test_what_a_picture_cannot_lend_is_told(run, trained, tmp_path):
    path, out = png(tmp_path / "a.png", "parameters", TEXT.format("DPM adaptive", MAX_SEED + 1)), tmp_path / "again.png"
    drawn = ("generate", "--like", path, "--out", out, "--model", trained)
    ended = run(*drawn)
    assert ended.code == 0 and call_of(run, out)["sampler"] == "dpmpp-2m" and call_of(run, out)["seed"] <= MAX_SEED
    sampler, seed = ended.err.splitlines()
    assert sampler == (
        f"ildm: {path} was drawn with the sampler 'DPM adaptive', which is not known here: the model's own, dpmpp-2m, is used "
        "instead."
    )
    assert f"has the seed {MAX_SEED + 1}, but ours go from 0 to {MAX_SEED}" in seed
    assert run(*drawn, "--sampler", "ddim", "--seed", 1).err == ""
    call = {"prompt": "a", "num_steps": 1, "sampler": "eulr", "lora": ["/etc/style.safetensors=0.8"]}
    png(path, "ildm", json.dumps(call))
    ended = run(*drawn)
    assert ended.code == 0 and "'eulr', which is not known here" in ended.err
    assert "was drawn with /etc/style.safetensors=0.8, not taken from it: give it with --lora." in ended.err


def test_other_programs_can_read_ours(rose):
    expected = {"prompt": "a rose", "negative_prompt": "a key", "num_steps": 2, "sampler": "euler", "guidance_scale": 4.0}
    expected |= {"seed": 7, "size": (32, 64), "model": "emoji-tiny", "other": {"Version": f"ildm {ildm.__version__}"}}
    assert read_parameters(rose[0]) == Parameters(**expected)
    with Image.open(rose[0]) as image:
        assert image.info["parameters"].startswith("a rose\nNegative prompt: a key\nSteps: 2, Sampler: Euler, CFG scale: 4, ")


def test_ours_goes_before_the_text_of_other_programs(run, rose, tmp_path):
    chunks = PngInfo()
    chunks.add_itxt("ildm", json.dumps({"prompt": "ours"}))
    chunks.add_text("parameters", TEXT.format("Euler", 1))
    Image.new("RGB", (8, 8)).save(tmp_path / "both.png", pnginfo=chunks)
    assert call_of(run, tmp_path / "both.png") == {"prompt": "ours"}


@pytest.mark.parametrize(
    ("key", "text", "said"),
    [
        (None, None, "carries no settings"),
        ("ildm", '{"prompts": ["a", "b"], "seed": 7}', "carries settings, but no prompt: give one beside --like"),
        ("ildm", '{"prompt": "a", "num_steps": "many"}', "carries settings that are damaged: call.num_steps takes a whole"),
        ("ildm", '{"prompt": "a", "guidance_scale": NaN}', "call.guidance_scale takes a number, but 'NaN' was given"),
        (
            "ildm",
            '{"prompt": "a", "num_steps": 5000}',
            "has num_steps 5000, but 1 to 1000 is possible: say it with --num-steps",
        ),
        ("ildm", '{"prompt": "a", "guidance_rescale": 1.5}', "has guidance_rescale 1.5, but 0 to 1 is possible"),
        ("ildm", '["prompt"]', "The call in a.png is damaged (a list)"),
        ("ildm", '{"prompt": ', "The call in a.png is damaged"),
        ("parameters", TEXT.replace("32x64", "9000x64"), "has width 9000, but 1 to 4096 is possible: say it with --width"),
        ("parameters", '{"sui_image_params": {}}', "carries no settings"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(run, trained, tmp_path, monkeypatch, key, text, said):
    monkeypatch.chdir(tmp_path)
    png("a.png", key or "Comment", text or "a comment")
    ended = run("generate", "--like", "a.png", "--model", trained)
    assert ended.code == 2 and said in ended.err and len(ended.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_files_that_are_no_pictures_are_one_sentence(run, trained, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 nothing")
    for name, said in (("broken.jpg", "cannot be read as an image"), ("none.png", "There is no picture"), ("", "no picture")):
        ended = run("generate", "--like", tmp_path / name, "--model", trained)
        assert ended.code == 2 and said in ended.err and len(ended.err.splitlines()) == 1
    assert "cannot be read as an image" in run("info", tmp_path / "broken.jpg").err


def test_a_setting_that_is_said_may_be_damaged_in_the_picture(run, trained, tmp_path):
    png(tmp_path / "a.png", "ildm", '{"prompt": "a", "num_steps": "many", "guidance_scale": 5000}')
    options = ("--num-steps", 1, "--guidance-scale", 1, "--model", trained, "--out", tmp_path / "again.png")
    assert run("generate", "--like", tmp_path / "a.png", *options).code == 0


def test_without_a_prompt_both_ways_are_named(run):
    ended = run("generate")
    assert ended.code == 2 and "needs PROMPT" in ended.err and "or --like with a picture" in ended.err
