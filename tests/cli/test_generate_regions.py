"""`ildm generate --regions` and `--split`: pictures of several prompts that carry what made them."""

import json
import re

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from ildm.checkpoint.load import load
from ildm.cli.regional import draw_regional, texts_of
from ildm.conditioning.ratios import split
from ildm.session.region_files import write_preset
from ildm.session.region_library import find_preset
from ildm.session.region_presets import PresetRegion, RegionPreset
from ildm.session.session import Session
from ildm.session.settings import Lora

TWO = RegionPreset(
    name="two",
    prompt="a rose",
    negative_prompt="a crown",
    regions=(PresetRegion(prompt="a key", box=(0.0, 0.0, 0.5, 1.0)), PresetRegion(prompt="a star", box=(0.5, 0.0, 1.0, 1.0))),
)


@pytest.fixture(scope="module")
def model(trained):
    return load(trained, dtype="float32")


@pytest.fixture
def draw(run, trained, tmp_path):
    """Draw one picture in two steps and look into it."""

    def call(*arguments):
        path = tmp_path / "drawn.png"
        usual = ("--model", trained, "--dtype", "float32", "--seed", 5, "--num-steps", 2, "--out", path)
        ended = run("generate", *arguments, *usual)
        assert ended.code == 0, ended.err
        return path

    return call


@pytest.fixture
def file(tmp_path):
    write_preset(TWO, tmp_path / "two.json")
    return tmp_path / "two.json"


def pixels(picture):
    return np.asarray(picture, dtype=np.int16)


def test_a_preset_is_drawn_and_the_picture_carries_it(run, draw, model, trained, file):
    path = draw("--regions", file)
    session = Session(model, seed=5, num_steps=2)
    session.regions.use(TWO)
    with Image.open(path) as drawn:
        assert np.array_equal(pixels(drawn), pixels(session.run().image()))
    again = Session.load(path, model)
    assert list(again.regions) == list(session.regions) and again.regions.mask("2") == session.regions.mask("2")
    assert torch.equal(again.rewind(0).run().latent, session.latent)
    replayed = run("replay", path, "--model", trained, "--dtype", "float32", "--verify")
    assert (replayed.code, replayed.out.strip()) == (0, "state 2: the same, bit for bit")
    call = json.loads(run("info", path, "--json").out)
    assert (call["prompt"], call["negative_prompt"], call["seed"]) == ("a rose", "a crown", 5)
    # and it lends its regions to another picture
    assert Session.load(draw("--regions", path), model).settings == again.settings


def test_the_shipped_presets_are_known_by_name(draw, model):
    session = Session.load(draw("--regions", "ring"), model)
    assert [one.name for one in session.regions] == ["ring", "middle"] and session.settings.overlap == "z-order"


def test_what_is_said_beside_a_preset_goes_first(draw, model, file):
    said = ("--negative-prompt", "blue", "--region-mode", "latent", "--overlap", "add", "--guidance-rescale", 0.7)
    settings = Session.load(draw("a crown", "--regions", file, *said, "--width", 96, "--sampler", "euler"), model).settings
    assert (settings.prompt, settings.negative_prompt, settings.region_mode, settings.overlap) == (
        "a crown",
        "blue",
        "latent",
        "add",
    )
    assert (settings.guidance_rescale, settings.size, settings.sampler) == (0.7, (96, 64), "euler")
    assert [one.prompt for one in settings.regions] == ["a key", "a star"]
    assert Session.load(draw("", "--regions", file), model).settings.prompt == ""


def test_a_picture_lends_numbers_but_no_prompts(run, draw, model, trained, file, tmp_path):
    path = tmp_path / "like.png"
    run("generate", "a crown", "--model", trained, "--num-steps", 3, "--guidance-scale", 5, "--out", path)
    settings = Session.load(draw("--regions", file, "--like", path), model).settings
    assert (settings.prompt, settings.guidance_scale) == ("a rose", 5.0)


def test_a_prompt_is_split(draw, model):
    path = draw(
        "a rose BREAK a key BREAK a star", "--split", "columns 1,2,1", "--negative-prompt", "red BREAK blue BREAK green"
    )
    session = Session.load(path, model)
    boxes = split("1,2,1")
    assert [(one.prompt, one.negative_prompt) for one in session.regions] == [
        ("a rose", "red"),
        ("a key", "blue"),
        ("a star", "green"),
    ]
    drawn = Session(model, seed=5, num_steps=2)
    for one, box in zip(session.regions, boxes, strict=True):
        drawn.regions.add(one.prompt, box, negative_prompt=one.negative_prompt)
    assert torch.equal(drawn.run().latent, session.latent)


@pytest.mark.parametrize(
    ("given", "boxes"),
    [
        ("rows 1,1", split("1,1", "rows")),
        ("Rows 1,1", split("1,1", "rows")),
        ("1,1", split("1,1")),
        ("columns", split("1,1")),
        (" rows  1 , 3 ", split("1,3", "rows")),
        ("1;1", split("1;1")),
    ],
)
def test_directions_and_ratios(draw, model, given, boxes):
    session = Session.load(draw("a rose BREAK a key", "--split", given), model)
    expected = Session(model)
    for box in boxes:
        expected.regions.add("", box)
    assert [session.regions.mask(one.id) for one in session.regions] == [
        expected.regions.mask(one.id) for one in expected.regions
    ]


def test_keywords_of_a_split_prompt(draw, model):
    text = "in gold ADDCOMM a field ADDBASE a rose ADDCOL a key ADDROW a star"
    settings = Session.load(draw(text, "--split", "1,1,1;2,1", "--base-ratio", "0.1,0.2,0.3"), model).settings
    assert (settings.prompt, settings.common_prompt) == ("a field", "in gold")
    assert [(one.prompt, one.base_ratio) for one in settings.regions] == [("a rose", 0.1), ("a key", 0.2), ("a star", 0.3)]
    assert Session.load(draw("a ADDBASE b BREAK c", "--split", "1,1"), model).regions[0].base_ratio == 0.2


def test_many_pictures(run, trained, tmp_path, file):
    usual = ("--model", trained, "--seed", 1, "--num-steps", 1, "--out", tmp_path)
    done = run("generate", "a rose", "a key", "--regions", file, "--count", 2, *usual, "--json")
    entries = json.loads(done.out)
    assert [(one["prompt"], one["seed"]) for one in entries] == [("a rose", 1), ("a rose", 2), ("a key", 3), ("a key", 4)]
    assert [one["path"] for one in entries] == [
        str(tmp_path / f"two{name}.png") for name in ("-1", "-2", "-a-key-3", "-a-key-4")
    ]
    assert len({pixels(Image.open(one["path"])).tobytes() for one in entries}) == 4
    assert run("generate", "--regions", "ring", *usual).out == f"{tmp_path / 'ring-1.png'}  (seed 1)\n"


def test_what_was_drawn_before_an_interruption_is_kept(run, trained, tmp_path, file, monkeypatch):
    whole = Session.save

    def interrupted(self, path):
        if path.name == "two-2.png":
            raise KeyboardInterrupt
        whole(self, path)

    monkeypatch.setattr(Session, "save", interrupted)
    ended = run(
        "generate", "--regions", file, "--count", 3, "--seed", 1, "--model", trained, "--num-steps", 1, "--out", tmp_path
    )
    assert ended.code == 130 and [path.name for path in tmp_path.glob("*.png")] == ["two-1.png"]


def test_progress_counts_the_steps_of_all_pictures(model, tmp_path):
    seen, settings = [], {"num_steps": 2, "guidance_scale": 1.0, "sampler": "euler", "guidance_rescale": 0.0}
    paths = [tmp_path / f"{number}.png" for number in range(2)]
    for _ in draw_regional(model, [TWO] * 2, [1, 2], paths, size=(64, 64), progress=lambda *at: seen.append(at), **settings):
        pass
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)] and all(path.is_file() for path in paths)


def test_notes_are_about_all_prompts(run, trained, tmp_path, file):
    arguments = ("--model", trained, "--num-steps", 1, "--out", tmp_path, "--json")
    long = "a rose and a key " * 40
    assert run("generate", "--regions", file, *arguments).err == ""
    assert run("generate", "", "--regions", file, *arguments).err == ""  # the regions have words
    ended = run("generate", f"a rose BREAK {long}", "--split", "1,1", *arguments)
    assert json.loads(ended.out) and re.search(r"is read in \d+ parts", ended.err) and ended.err.count("\n") == 1
    ended = run("generate", " BREAK ", "--split", "1,1", *arguments)
    assert json.loads(ended.out) and "The prompt is empty" in ended.err


def test_all_texts_are_read_as_they_are_drawn():
    preset = TWO.model_copy(update={"common_prompt": "in gold", "regions": (*TWO.regions, PresetRegion())})
    assert texts_of([preset]) == ["a rose", "in gold, a key", "in gold, a star", "in gold"]
    assert texts_of([RegionPreset(name="x", regions=(PresetRegion(),))]) == [""] and texts_of([]) == []


def test_adapters_act_in_their_regions_or_everywhere(run, draw, trained, model, file, tmp_path):
    weight = model.unet.get_submodule("conv_in").weight
    noise = torch.Generator().manual_seed(0)
    changes = {
        "lora_unet_conv_in.lora_down.weight": torch.randn(2, *weight.shape[1:], generator=noise),
        "lora_unet_conv_in.lora_up.weight": torch.randn(len(weight), 2, 1, 1, generator=noise),
    }
    safetensors.torch.save_file(changes, tmp_path / "ink.safetensors")
    adapter = ("--lora", tmp_path / "ink.safetensors")
    plain = pixels(Image.open(draw("--regions", file, "--region-mode", "latent")))
    merged = abs(pixels(Image.open(draw("--regions", file, "--region-mode", "latent", *adapter))) - plain)
    worn = TWO.regions[0].model_copy(update={"loras": (Lora(name="ink"),)})
    write_preset(TWO.model_copy(update={"mode": "latent", "regions": (worn, TWO.regions[1])}), file)
    worn_picture = draw("--regions", file, *adapter)
    left = abs(pixels(Image.open(worn_picture)) - plain)
    # the other half sees its neighbour at every step, but does not follow the adapter itself
    assert left[:, :24].mean() > 1.2 * left[:, 40:].mean() and merged[:, 40:].mean() > 1.2 * left[:, 40:].mean()
    assert (pixels(Image.open(draw("--regions", file, "--lora", f"{adapter[1]}=1"))) == pixels(Image.open(worn_picture))).all()
    ended = run("generate", "--regions", file, "--model", trained, "--out", tmp_path, "--lora", f"{adapter[1]}=0.8")
    assert ended.code == 2 and "A region says how strongly it wears 'ink', but --lora gives a strength of 0.8" in ended.err
    ended = run("generate", "--regions", file, "--model", trained, "--num-steps", 1, "--out", tmp_path, *adapter)
    assert ended.code == 0 and "do not carry the LoRA files" in ended.err
    again = ("replay", worn_picture, "--verify", "--model", trained, "--dtype", "float32")
    assert run(*again, *adapter).out == "state 2: the same, bit for bit\n"
    ended = run(*again)
    assert ended.code == 2 and "no adapter 'ink' at hand" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--regions", "rign"], "There is no preset of regions 'rign': did you mean 'ring'?"),
        (["--regions", "nowhere.json"], "There is no file nowhere.json"),
        (["a", "--regions", "ring", "--split", "1,1"], "--regions and --split both say what is where"),
        (["--regions", "ring", "--apg"], "--apg cannot go with --regions and --split"),
        (["--regions", "ring", "--image", "x.png"], "--image cannot go with --regions and --split"),
        (["a BREAK b", "--split", "1,1", "--mask", "x.png"], "--mask cannot go with --regions and --split"),
        (["--regions", "ring", "--base-ratio", "0.2"], "--base-ratio goes with --split"),
        (["a", "--overlap", "add"], "--overlap says how regions act, but there are none"),
        (["a", "--region-mode", "latent"], "--region-mode says how regions act"),
        (["a", "--base-ratio", "0.2"], "--base-ratio says how regions act"),
        (["--regions", "ring", "--overlap", "ad"], "--overlap takes one of normalise, add, z-order, but 'ad' was given"),
        (["--regions", "ring", "--region-mode", "both"], "--region-mode takes one of attention, latent"),
        (["--split", "1,1"], "needs PROMPT"),
        (["a", "--split", "1,1"], "make 2 regions, but the prompt has 1 text"),
        (["a BREAK b", "--split", "column 1,1"], "did you mean 'columns'?"),
        (["a BREAK b", "--split", "1,x"], "'x' is none"),
        (["a ADDBASE b BREAK c", "--split", "1,1", "--base-ratio", "2"], "base_ratios has numbers in [0, 1]"),
        (["a BREAK b", "--split", "1,1", "--base-ratio", "0.2"], "the text before ADDBASE, but the prompt has none"),
        (["a BREAK b", "--split", "1,1", "--negative-prompt", "a BREAK b BREAK c"], "3 texts for 2 regions"),
        ([" BREAK ".join("a" * 65), "--split", "columns"], "has at most 64 regions, but 65 texts were given"),
        (["a BREAK b", "--split", ""], '--split takes "columns 1,2,1", "rows 1,1" or "1,2,1,1;2,4,6", but nothing was given'),
        (["--regions", "worn.json"], "no adapter 'ink' at hand"),
        (["--regions", "worn.json", "--region-mode", "attention"], "no adapter 'ink' at hand"),
        (["--regions", "ring", "--width", "61"], "multiples of 16: try 48x64 or 64x64."),
        (["--regions", "ring", "--num-steps", "0"], "takes a whole number from 1"),
    ],
)
def test_bad_calls_are_one_sentence(run, trained, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    worn = PresetRegion(prompt="a", box=(0.0, 0.0, 1.0, 1.0), loras=(Lora(name="ink"),))
    write_preset(RegionPreset(name="worn", mode="latent", regions=(worn,)), tmp_path / "worn.json")
    Image.new("L", (64, 64)).save(tmp_path / "x.png")
    ended = run("generate", *arguments, "--model", trained)
    assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1 and "Traceback" not in ended.err
    assert {path.name for path in tmp_path.iterdir()} == {"worn.json", "x.png"}


def test_find_preset_of_a_plain_picture_is_told(run, trained, tmp_path):
    run("generate", "a rose", "--model", trained, "--num-steps", 1, "--out", tmp_path / "plain.png")
    ended = run("generate", "--regions", tmp_path / "plain.png", "--model", trained)
    assert ended.code == 2 and "carries no session" in ended.err
    assert find_preset("ring").name == "ring"
