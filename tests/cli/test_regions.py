"""`ildm regions`: presets listed, shown, taken in from files, pictures and Regional Prompter, given away, renamed and removed."""

import json

import numpy as np
import pytest
from PIL import Image

from ildm.conditioning.regional_prompter import write_colours
from ildm.session.region_files import parse_preset, write_preset
from ildm.session.region_library import shipped_names
from ildm.session.region_presets import PresetRegion, RegionPreset
from ildm.session.session import Session
from ildm.session.settings import Lora
from ildm.session.store import Store
from ildm.session.wire import Mask

LEFT = np.zeros((8, 8))
LEFT[:, :4] = 1
PRESET = RegionPreset(
    name="evening",
    description="Two at dusk.",
    prompt="a plain black background",
    negative_prompt="noise",
    common_prompt="flat style",
    mode="latent",
    regions=(
        PresetRegion(name="moon", prompt="a crescent moon", box=(0.0, 0.0, 0.5, 0.25), strength=1.5, seed=7, window=(2, 9)),
        PresetRegion(prompt="a star", negative_prompt="a sun", mask=Mask.from_array(LEFT), loras=(Lora(name="ink"),)),
        PresetRegion(),
    ),
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("ILDM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path):
    write_preset(PRESET, tmp_path / "dusk.json")
    return tmp_path / "dusk.json"


def names(run):
    return [one["name"] for one in json.loads(run("regions", "list", "--json").out)]


def test_the_shipped_presets_are_listed_and_no_store_is_made(run, home):
    lines = run("regions", "list").out.splitlines()
    assert [line.split()[:2] for line in lines] == [[name, "ildm's"] for name in shipped_names()]
    assert all(" regions " in line and line.endswith(".") for line in lines)
    assert names(run) == list(shipped_names())
    assert not home.exists()


def test_a_preset_is_taken_in_renamed_given_away_and_removed(run, file, tmp_path):
    assert run("regions", "import", file).out == "Preset 'evening' with 3 regions is kept.\n"
    again = run("regions", "import", file)
    assert again.code == 2 and "There is a preset 'evening' already" in again.err
    assert run("regions", "import", file, "--replace").code == 0
    taken = run("regions", "import", file, "--name", "two", "--json")
    assert json.loads(taken.out) == {"name": "two", "regions": 3}
    assert names(run)[:2] == ["evening", "two"]
    first = json.loads(run("regions", "list", "--json").out)[0]
    assert first == {
        "name": "evening",
        "origin": "own",
        "description": "Two at dusk.",
        "mode": "latent",
        "overlap": "normalise",
        "prompts": ["a crescent moon", "a star", ""],
    }
    assert run("regions", "rename", "two", "dusk").out == "Preset 'two' is called 'dusk' now.\n"
    out = tmp_path / "out.json"
    assert run("regions", "export", "dusk", out).code == 0
    assert parse_preset(out.read_text(), source="it") == PRESET.model_copy(update={"name": "dusk"})
    assert run("regions", "show", "dusk", "--json").out == out.read_text()
    assert run("regions", "remove", "dusk").code == 0 and names(run)[0] == "evening" and len(names(run)) == 7


def test_a_preset_is_shown_in_words(run, file):
    assert run("regions", "show", file).out.splitlines() == [
        "name      evening",
        "about     Two at dusk.",
        "prompt    a plain black background",
        "negative  noise",
        "common    flat style",
        "rules     latent, normalise",
        "region 1  moon: 'a crescent moon', strength 1.5, seed 7, steps 2 to 8, in the box 0 0 0.5 0.25",
        "region 2  'a star', not 'a sun', LoRA ink 1, in a mask of 8 x 8 pixels, 50% of the picture",
        "region 3  '', nowhere yet",
    ]


def test_letters_that_steer_a_terminal_are_not_passed_on(run, file):
    write_preset(PRESET.model_copy(update={"name": "a\x1b[2Jb\nc", "description": "\x1b]0;x\x07"}), file)
    for done in (run("regions", "import", file), run("regions", "list"), run("regions", "show", file)):
        assert done.code == 0 and "\x1b" not in done.out and "\x07" not in done.out and "b\nc" not in done.out


def test_another_store_may_be_named(run, file, tmp_path, home):
    store = ("--store", tmp_path / "other.sqlite")
    assert run("regions", "import", file, *store).code == 0
    assert run("regions", "show", "evening", *store).code == 0 and run("regions", "show", "evening").code == 2
    assert run("regions", "remove", "evening", *store).code == 0 and not home.exists()


def test_a_picture_is_taken_in(run, trained, tmp_path):
    from ildm.checkpoint.load import load

    session = Session(load(trained), "a rose", seed=1, num_steps=1)
    session.regions.use(PRESET.model_copy(update={"regions": PRESET.regions[:1]}))
    session.run().save(tmp_path / "moon.png")
    assert run("regions", "import", tmp_path / "moon.png").code == 0
    assert "a crescent moon" in run("regions", "show", "moon").out


# --- Regional Prompter -----------------------------------------------------------------------------------------------------

THEIRS = {"mode": "Columns", "ratios": "1,2", "baseratios": "0.25", "usebase": True, "usecom": False, "usencom": False}
THEIRS |= {"calcmode": "Latent", "nchangeand": False, "lnter": "0", "lnur": "0", "threshold": "", "polymask": None}


def theirs(folder, *presets):
    path = folder / "regional_prompter_presets.json"
    path.write_text(json.dumps([THEIRS | one for one in presets]))
    return path


def test_their_presets_are_taken_in_with_prompts(run, tmp_path):
    path = theirs(tmp_path, {"name": "one"}, {"name": "two", "mode": "Rows", "usebase": False})
    texts = ("--prompt", "ground BREAK a BREAK b", "--negative-prompt", "x")
    assert run("regions", "import", path, "--preset", "one", *texts).code == 0
    preset = parse_preset(run("regions", "show", "one", "--json").out, source="it")
    assert (preset.prompt, preset.negative_prompt, preset.mode) == ("ground", "x", "latent")
    assert [(one.prompt, one.negative_prompt, one.base_ratio) for one in preset.regions] == [("a", "x", 0.25), ("b", "x", 0.25)]
    assert [one.box[2] for one in preset.regions] == [pytest.approx(1 / 3), 1.0]
    done = run("regions", "import", path, "--preset", "two", "--prompt", "a BREAK b", "--name", "rows")
    assert done.code == 0 and "0 0 1 0.3333" in run("regions", "show", "rows").out


def test_their_masks_lie_beside_or_are_named(run, tmp_path):
    path = theirs(tmp_path, {"name": "halves of mine", "mode": "Mask", "usebase": False})
    texts = ("--prompt", "a BREAK b")
    missing = run("regions", "import", path, *texts)
    assert missing.code == 2 and "give it with --mask" in missing.err
    (tmp_path / "regional_masks").mkdir()
    write_colours([LEFT, 1 - LEFT]).save(tmp_path / "regional_masks" / "halves of mine.png")
    write_colours([LEFT.T, 1 - LEFT.T]).save(tmp_path / "upper.png")
    assert run("regions", "import", path, *texts).code == 0
    assert run("regions", "import", path, *texts, "--name", "upper", "--mask", tmp_path / "upper.png").code == 0
    for name, left in (("halves of mine", LEFT), ("upper", LEFT.T)):
        preset = parse_preset(run("regions", "show", name, "--json").out, source="it")
        assert [one.mask for one in preset.regions] == [Mask.from_array(left), Mask.from_array(1 - left)]


def test_a_preset_that_is_not_understood_leaves_the_others(run, tmp_path):
    path = theirs(tmp_path, {"name": "odd", "mode": "?"}, {"name": "one", "usebase": False})
    texts = ("--prompt", "a BREAK b")
    named = run("regions", "import", path, "--preset", "one", *texts)
    assert (named.code, named.err) == (0, "")
    only = run("regions", "import", path, *texts, "--replace")
    assert only.code == 0 and "Preset 'one'" in only.out
    assert "Preset 'odd' has '?' for 'mode'" in only.err and len(only.err.splitlines()) == 1
    odd = run("regions", "import", path, "--preset", "odd", *texts)
    assert odd.code == 2 and "Preset 'odd' has '?' for 'mode'" in odd.err
    path = theirs(tmp_path, {"name": "one"}, {"name": "two"}, {"name": "odd", "mode": "?"})
    several = run("regions", "import", path, *texts)
    assert (
        several.code == 2 and "There are 2 presets" in several.err and "say which one with --preset: one, two." in several.err
    )


@pytest.mark.parametrize(
    ("presets", "arguments", "said"),
    [
        ([{"name": "a"}], [], "which have no prompts: give them with --prompt"),
        ([{"name": "a"}, {"name": "b"}], ["--prompt", "a"], "say which one with --preset: a, b."),
        ([{"name": "a"}], ["--prompt", "a", "--preset", "c"], "There is no preset 'c' in"),
        ([{"name": "a"}], ["--prompt", "a BREAK b"], "but the prompt has 1 text for them"),
        ([{"name": "a", "mode": "?"}], ["--prompt", "a"], "has '?' for 'mode'"),
        ([{"name": "../x", "mode": "Mask", "usebase": False}], ["--prompt", "a"], "leads out of the preset's folder"),
        ([{"name": "a", "mode": "Prompt"}], ["--prompt", "a hat BREAK red, hat"], "follows the word 'hat'"),
        ([], ["--prompt", "a"], "There is no preset in"),
    ],
)
def test_what_is_wrong_with_theirs_is_told(run, tmp_path, presets, arguments, said):
    ended = run("regions", "import", theirs(tmp_path, *presets), *arguments)
    assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1 and "Traceback" not in ended.err


# --- what cannot be done ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "rign"), "There is no preset of regions 'rign': did you mean 'ring'?"),
        (("show", "nowhere.json"), "There is no file nowhere.json with regions"),
        (("show", "plain.png"), "plain.png carries no session"),
        (("show", "bad.json"), "bad.json is no JSON"),
        (("import", "bad.json"), "bad.json is no JSON"),
        (("import", "nowhere.json"), "There is no file nowhere.json"),
        (
            ("import", "dusk.json", "--prompt", "a"),
            "--prompt is for Regional Prompter's files of presets, but dusk.json is none",
        ),
        (("import", "dusk.json", "--name", ""), "name cannot be ''"),
        (("import", "dusk.json", "--name", "ring"), "that of a preset that comes with ildm"),
        (("export", "ring", "ring.png"), "A preset is exported to a file that ends in .json, but ring.png was given."),
        (("export", "ring", "/proc/x.json"), "/proc/x.json cannot be written"),
        (("rename", "ring", "x"), "The preset 'ring' comes with ildm and stays as it is"),
        (("remove", "ring"), "The preset 'ring' comes with ildm and stays as it is"),
        (("remove", "x"), "There is no preset of regions 'x'"),
        (("remove", "x", "--store", "bad.json"), "bad.json"),
        (("lst",), "ildm regions has no command 'lst': did you mean 'list'?"),
    ],
)
def test_bad_calls_are_one_sentence(run, tmp_path, monkeypatch, file, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    ended = run("regions", *words)
    assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1 and "Traceback" not in ended.err


def test_a_damaged_preset_is_listed_as_that(run):
    with Store() as store:
        store.presets.save("regions", "broken", b"{}")
    assert "damaged: The stored preset 'broken' is no preset" in run("regions", "list").out.splitlines()[0]
    assert "problem" in json.loads(run("regions", "list", "--json").out)[0]


def test_every_command_shows_an_example(run):
    for name in ("list", "show", "import", "export", "rename", "remove"):
        told = run("regions", name, "--help")
        assert told.code == 0 and f"ildm regions {name}" in " ".join(told.out.split())
