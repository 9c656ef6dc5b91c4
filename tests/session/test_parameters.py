"""The text that other programs write into pictures, read and written, and found in files of every kind."""

import json
import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from ildm.core import extensions
from ildm.core.errors import ConfigError, DataError
from ildm.session.pictures.parameters import Parameters, format_parameters, parse_parameters, read_parameters
from ildm.session.pictures.sampler_names import find_sampler, sampler_label
from ildm.session.pictures.text import decode_comment

LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 3, Size: 512x768"
READ = {"num_steps": 20, "sampler": "euler-ancestral", "guidance_scale": 7.0, "seed": 3, "size": (512, 768)}
WHOLE = Parameters(
    prompt="a red apple, (shiny:1.2)\non a table",
    negative_prompt="blurry\ntext",
    num_steps=30,
    sampler="dpmpp-2m",
    guidance_scale=5.5,
    seed=2**53,
    size=(768, 512),
    model="fruit: the second",
    strength=0.35,
    other={"Schedule type": "Karras", "Clip skip": "2", "Lora hashes": "gloss: 1f2e, rind: 77aa", "Hires prompt": "a\nb"},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Parameters()),
        ("an apple", Parameters(prompt="an apple")),
        (f"an apple\n{LINE}", Parameters(prompt="an apple", **READ)),
        (LINE, Parameters(**READ)),
        (f"Negative prompt: pears\n{LINE}", Parameters(negative_prompt="pears", **READ)),
        (
            f"an apple\nred\n\nripe\nNegative prompt: pears\nplums\n{LINE}",
            Parameters(prompt="an apple\nred\n\nripe", negative_prompt="pears\nplums", **READ),
        ),
        (f"an apple\r\nNegative prompt: pears\r\n{LINE}\r\n", Parameters(prompt="an apple", negative_prompt="pears", **READ)),
        ("an apple\nNegative prompt: pears", Parameters(prompt="an apple", negative_prompt="pears")),
        (
            f"Steps: 3, no Negative prompt: here\n{LINE}",
            Parameters(prompt="Steps: 3, no Negative prompt: here", **READ),
        ),
        ("an apple\nSteps: 3, Seed: 1", Parameters(prompt="an apple\nSteps: 3, Seed: 1")),
        # that program reads settings here, but none are
        ("sky, (sea:1.2), (sand:1.1), (sun:0.9)", Parameters(prompt="sky, (sea:1.2), (sand:1.1), (sun:0.9)")),
        ("a\nNegative prompt: b, (c:1.2), (d:1.2)", Parameters(prompt="a", negative_prompt="b, (c:1.2), (d:1.2)")),
        # and here so do we
        ("sky: blue, sea: green, sand: white", Parameters(other={"sky": "blue", "sea": "green", "sand": "white"})),
        (f"a\nNegative prompt: b\nNegative prompt: c\n{LINE}", Parameters(prompt="a", negative_prompt="b\nc", **READ)),
        (
            "x\nSteps: many, Sampler: DPM adaptive, CFG scale: nan, Seed: , Size: 0x5, Tiling, Model: a b",
            Parameters(
                prompt="x",
                model="a b",
                other={"Steps": "many", "Sampler": "DPM adaptive", "CFG scale": "nan", "Size": "0x5", "Tiling": "Tiling"},
            ),
        ),
        (
            'x\nsteps: 7, Cfg Scale: 2, seed: -1, Version: v1.9, Note: "broken, Other: "a" b',
            Parameters(
                prompt="x",
                num_steps=7,
                guidance_scale=2.0,
                seed=-1,
                other={"Version": "v1.9", "Note": '"broken', "Other": '"a" b'},
            ),
        ),
    ],
)
def test_texts_of_many_programs(text, expected):
    assert parse_parameters(text) == expected


def test_a_text_is_written_as_that_program_writes_it():
    assert format_parameters(WHOLE) == (
        "a red apple, (shiny:1.2)\non a table\nNegative prompt: blurry\ntext\n"
        "Steps: 30, Sampler: DPM++ 2M, CFG scale: 5.5, Seed: 9007199254740992, Size: 768x512, "
        'Model: "fruit: the second", Denoising strength: 0.35, Schedule type: Karras, Clip skip: 2, '
        'Lora hashes: "gloss: 1f2e, rind: 77aa", Hires prompt: "a\\nb"'
    )
    assert parse_parameters(format_parameters(WHOLE)) == WHOLE


def settled(text):
    """A prompt as any reader of the format gives it back."""
    return "\n".join(line.strip() for line in text.split("\n")).lstrip("\n")


prompts = st.text() | st.lists(
    st.sampled_from(['"', ",", ": ", "\n", "Steps: 3", LINE, "(a:1.2)", "é", "リンゴ", "\\", " ", "BREAK", "{", "x"])
).map("".join)
plain_prompts = prompts.filter(lambda text: not any(line.strip().startswith("Negative prompt:") for line in text.split("\n")))
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
known_keys = ("steps", "sampler", "cfg scale", "seed", "size", "model", "denoising strength", "schedule type")
keys = (
    st.text(min_size=1)
    .map(str.strip)
    .filter(lambda key: not any(mark in key for mark in ",:\n") and key.casefold() not in known_keys)
)
fields_of_all_kinds = {
    "num_steps": st.none() | st.integers(0, 2000),
    "sampler": st.none() | st.sampled_from(extensions.names("ildm.samplers")),
    "guidance_scale": numbers,
    "seed": st.none() | st.integers(-1, 2**64),
    "size": st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
    "model": st.none() | st.text(min_size=1),
    "strength": numbers,
    "other": st.dictionaries(keys, prompts, max_size=4),
}


@settings(deadline=None)
@given(plain_prompts, plain_prompts, st.fixed_dictionaries({}, optional=fields_of_all_kinds))
def test_what_was_written_is_read(prompt, negative_prompt, fields):
    prompt, negative_prompt = settled(prompt), settled(negative_prompt)
    if not any(value not in (None, {}) for value in fields.values()):
        # nothing follows the words that would keep the white space at their end
        prompt, negative_prompt = prompt.strip(), negative_prompt.strip()
    parameters = Parameters(prompt=prompt, negative_prompt=negative_prompt, **fields)
    assert parse_parameters(format_parameters(parameters)) == parameters


@settings(deadline=None)
@given(prompts)
def test_any_text_is_read_and_stays_as_it_was_read(text):
    parameters = parse_parameters(text)
    assert parse_parameters(format_parameters(parameters)) == parameters


@settings(deadline=None)
@given(plain_prompts)
def test_white_space_around_lines_is_all_that_is_lost(text):
    read = parse_parameters(f"{text}\n{LINE}")
    assert (read.num_steps, read.seed) == (20, 3)
    assert read.prompt == settled(text)


def test_values_that_need_quotes_get_them():
    other = {"A": '"red"', "B": '"', "C": " a ", "D": "", "E": 'the "red" one', "F": "\\", "G": "a,b", "H": "a:b", "I": "a\nb"}
    text = format_parameters(Parameters(model='"red"', num_steps=1, other=other))
    assert 'Model: "\\"red\\""' in text and 'E: the "red" one, F: \\, G: "a,b"' in text
    assert parse_parameters(text) == Parameters(model='"red"', num_steps=1, other=other)


def test_few_settings_are_still_read_as_settings():
    for fields in ({"num_steps": 20}, {"seed": 3, "other": {"Version": "x"}}, {"other": {"(odd": "1", "a": "2", "b": "3"}}):
        parameters = Parameters(prompt="an apple", **fields)
        assert parse_parameters(format_parameters(parameters)) == parameters
    mistakable = Parameters(prompt="sky: blue, sea: green, sand: white")
    assert parse_parameters(format_parameters(mistakable)) == mistakable
    assert format_parameters(Parameters(prompt="an apple")) == "an apple"


def test_a_key_that_cannot_be_written_is_told():
    for key in ("a,b", "a:b", "a\nb", " a"):
        with pytest.raises(ConfigError, match=r"no comma, colon, line break or space around it, but '[^']+' was given\."):
            format_parameters(Parameters(other={key: "1"}))


def test_a_long_odd_text_takes_no_time():
    for text in ("a" * 10**6, 'a: "' * 10**5, 'a: \\"' * 10**5, '": ' * 10**5, "a, b: c, " * 10**5, "[" * 10**5):
        assert isinstance(parse_parameters(text), Parameters)
    assert parse_parameters(f"{LINE}, Clip skip: {'9' * 5000}, Steps: {'9' * 5000}").num_steps is None


def test_every_sampler_of_ours_has_a_name_there():
    ours = extensions.names("ildm.samplers")
    labels = [sampler_label(name) for name in ours]
    assert [find_sampler(label) for label in labels] == ours
    assert all(label != name for label, name in zip(labels, ours, strict=True)) and sampler_label("mine") == "mine"


@pytest.mark.parametrize(
    ("label", "sampler", "schedule"),
    [
        ("DPM++ 2M Karras", "dpmpp-2m", "Karras"),
        ("DPM++ 2M SDE Karras", "dpmpp-2m-sde", "Karras"),
        ("DPM++ 2M SDE Exponential", "dpmpp-2m-sde", "Exponential"),
        ("Euler SGM Uniform", "euler", "SGM Uniform"),
        ("dpmpp_2m_karras", "dpmpp-2m", "Karras"),
        ("euler_ancestral", "euler-ancestral", None),
        ("k_euler_a", "euler-ancestral", None),
        ("Euler A", "euler-ancestral", None),
        ("uni_pc", "unipc", None),
        ("DDIM", "ddim", None),
        ("PLMS", "plms", None),
        ("LCM", "lcm", None),
        ("DPM++ SDE Karras", None, None),
        ("DPM++ 2M SDE Heun", None, None),
        ("Karras", None, None),
    ],
)
def test_samplers_under_old_and_foreign_names(label, sampler, schedule):
    read = parse_parameters(f"x\nSteps: 2, Sampler: {label}, Seed: 1")
    expected = {"Sampler": label} if sampler is None else {}
    assert (read.sampler, read.other) == (sampler, expected | ({} if schedule is None else {"Schedule type": schedule}))


def test_a_schedule_that_is_said_by_itself_goes_first():
    read = parse_parameters("x\nSteps: 2, Sampler: DPM++ 2M Karras, Schedule type: Simple, Seed: 1")
    assert (read.sampler, read.other) == ("dpmpp-2m", {"Schedule type": "Simple"})


def png(path, *, add="add_text", key="parameters", text=None, **options):
    chunks = PngInfo()
    getattr(chunks, add)(key, format_parameters(WHOLE) if text is None else text, **options)
    Image.new("RGB", (8, 8)).save(path, pnginfo=chunks)
    return path


def with_comment(path, comment):
    Image.new("RGB", (8, 8)).save(path, exif=exif_of(comment))
    return path


def exif_of(comment):
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "a program"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
    return exif


@pytest.mark.parametrize("add", ["add_text", "add_itxt"])
@pytest.mark.parametrize("zip", [False, True])
def test_a_png_of_every_kind_of_text(tmp_path, add, zip):
    assert read_parameters(png(tmp_path / "a.png", add=add, zip=zip)) == WHOLE


def test_text_behind_the_pixels(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    chunk = b"tEXtparameters\0" + format_parameters(WHOLE).encode()
    end = content.rindex(b"IEND") - 4
    whole = content[:end] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[end:]
    (tmp_path / "a.png").write_bytes(whole)
    assert read_parameters(tmp_path / "a.png") == WHOLE


@pytest.mark.parametrize("suffix", ["jpg", "webp", "png"])
@pytest.mark.parametrize(
    ("code", "encoding"),
    [
        (b"UNICODE\0", "utf-16-be"),
        (b"UNICODE\0", "utf-16-le"),
        (b"UNICODE\0", "utf-16"),
        (b"ASCII\0\0\0", "utf-8"),
        (b"\0" * 8, "utf-8"),
        (b"", "utf-8"),
    ],
)
def test_a_comment_in_every_encoding(tmp_path, suffix, code, encoding):
    whole = Parameters(prompt="リンゴ, an apple, é", **READ)
    path = with_comment(tmp_path / f"a.{suffix}", code + format_parameters(whole).encode(encoding) + b"\0\0")
    assert read_parameters(path) == whole


def test_the_text_of_a_png_goes_before_its_comment(tmp_path):
    chunks = PngInfo()
    chunks.add_text("parameters", "a pear")
    comment = b"ASCII\0\0\0" + LINE.encode()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=chunks, exif=exif_of(comment))
    assert read_parameters(tmp_path / "a.png") == Parameters(prompt="a pear")


def test_a_comment_of_any_bytes_is_words():
    assert decode_comment(b"") == "" and decode_comment(b"hi") == "hi"
    assert decode_comment(b"UNICODE\0\xd8\0\0a") == "\ufffda" and decode_comment(b"ASCII\0\0\0\xff") == "\ufffd"


def test_pictures_without_parameters(tmp_path):
    for suffix in ("png", "jpg", "webp"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"a.{suffix}")
        assert read_parameters(tmp_path / f"a.{suffix}") is None
    assert read_parameters(with_comment(tmp_path / "camera.jpg", b"ASCII\0\0\0Screenshot")) is None
    assert read_parameters(with_comment(tmp_path / "other.jpg", b"ASCII\0\0\0" + json.dumps({"a": [1, 2]}).encode())) is None
    assert (
        read_parameters(png(tmp_path / "other.png", text=json.dumps({"sui_image_params": {"prompt": "a", "seed": 1}}))) is None
    )
    assert read_parameters(png(tmp_path / "words.png", text="an apple")) == Parameters(prompt="an apple")


def test_files_that_are_no_pictures_are_told(tmp_path):
    with pytest.raises(DataError, match="There is no picture"):
        read_parameters(tmp_path / "none.png")
    for content in (b"", b"\x89PNG nothing", b"\xff\xd8\xff\xe1"):
        (tmp_path / "broken.jpg").write_bytes(content)
        with pytest.raises(DataError, match=r"broken\.jpg cannot be read as an image"):
            read_parameters(tmp_path / "broken.jpg")


def test_it_is_read_without_torch():
    code = "import sys, ildm.session.pictures.parameters; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
