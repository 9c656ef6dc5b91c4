"""A division written for Regional Prompter and read again is the same division, or is refused in a sentence."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ildm.conditioning.prompt import weights
from ildm.conditioning.ratios import split
from ildm.conditioning.regional_prompter import Division, Part, Word, escape, read_division, write_division
from ildm.conditioning.regional_prompter.keywords import find
from ildm.core.errors import ConfigError

ADDED = ("ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW")
PIECES = [*"ab ()[]:|\\,\n", "BREAK", "AND", *ADDED, *(f"\\{word}" for word in ADDED), "é"]
texts = st.one_of(st.just(""), st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join), st.text(max_size=8))
numbers = st.one_of(st.integers(1, 2048).map(str), st.floats(0.01, 100).map(repr), st.sampled_from(["1", "0.1", "1e-5"]))
ratios = st.lists(st.tuples(numbers, st.sampled_from([",", ";"])), min_size=1, max_size=10).map(
    lambda pairs: "".join(number + mark for number, mark in pairs)[:-1]
)
shares = st.sampled_from([0.0, 0.2, 0.1, 1 / 3, 1.0])


def divided(given_ratios, mode, data, **named):
    """A division whose texts and shares are drawn. It is made outside strategies, where shape checks may draw at random."""
    boxes = split(given_ratios, mode)
    one, apart = data.draw(texts), data.draw(st.booleans())
    negative = texts if apart else st.just(one)
    parts = [
        Part(prompt=data.draw(texts), negative_prompt=data.draw(negative), base_ratio=data.draw(shares), area=box)
        for box in boxes
    ]
    return Division(negative_prompt=data.draw(negative), parts=tuple(parts), **named)


def grid(*prompts, **named):
    boxes = split(",".join("1" * len(prompts)))
    return Division(parts=tuple(Part(prompt=text, area=box) for text, box in zip(prompts, boxes, strict=True)), **named)


def check_round_trip(division):
    shared = [division.base_prompt, division.negative_prompt, division.common_prompt, division.common_negative_prompt]
    own = [text for part in division.parts for text in (part.prompt, part.negative_prompt)]
    divides = any(find(text, *ADDED) for text in [*shared, *own])
    alone = len(division.parts) == 1 and any(find(text, "BREAK") for text in own)
    if divides or alone:
        with pytest.raises(ConfigError, match="which would divide it"):
            write_division(division)
    else:
        prompt, negative_prompt, chosen = write_division(division)
        assert chosen.read(prompt, negative_prompt) == division
        assert write_division(chosen.read(prompt, negative_prompt)) == (prompt, negative_prompt, chosen)


@given(
    given_ratios=ratios,
    mode=st.sampled_from(["columns", "rows"]),
    data=st.data(),
    base_prompt=texts,
    common_prompt=texts,
    common_negative_prompt=texts,
    calculation=st.sampled_from(["attention", "latent"]),
)
@settings(max_examples=200)
def test_what_was_written_is_read_again(given_ratios, mode, data, **named):
    check_round_trip(divided(given_ratios, mode, data, **named))


@pytest.mark.parametrize(
    "division",
    [
        grid("a", "b", negative_prompt="n"),
        grid("a", negative_prompt="n"),
        grid("a BREAK b", "c AND d", common_prompt="x BREAK y", base_prompt="\\ADDBASE"),
        grid("", "", base_prompt="x AND y", common_negative_prompt="a AND b"),
        grid("a", "b", common_negative_prompt="c", negative_prompt="n BREAK m"),
        Division(
            negative_prompt="n BREAK m",
            parts=tuple(Part(prompt="", negative_prompt="n BREAK m", area=box) for box in split("1,1")),
        ),
    ],
)
def test_special_texts_are_read_again(division):
    check_round_trip(division)


@given(st.lists(st.text(), min_size=1, max_size=4), st.text(), st.text(), st.text())
@example(["ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW"], "BREAK", "AND", "a\\ADDCOL \\")
def test_escaped_text_survives(words, common, base, negative):
    division = grid(
        *map(escape, words), common_prompt=escape(common), base_prompt=escape(base), common_negative_prompt=escape(negative)
    )
    prompt, negative_prompt, chosen = write_division(division)
    read = chosen.read(prompt, negative_prompt)
    for written, wanted in [
        *zip([part.prompt for part in read.parts], words, strict=True),
        (read.common_prompt, common),
        (read.base_prompt, base),
        (read.common_negative_prompt, negative),
    ]:
        assert [(weighed.strip(), weight) for weighed, weight in weights(written)] == [(wanted.strip(), 1.0)]


@pytest.mark.parametrize(
    ("given_ratios", "mode", "written", "written_mode"),
    [
        ("1,2,1,1;2,4,6", "columns", "1,2,1,1;2,2,3", "columns"),
        ("300,100,112", "rows", "75;25;28", "columns"),
        ("0.1,0.1,0.1", "columns", "1,1,1", "columns"),
        ("1;2;3,4", "rows", "1;2;3,4", "rows"),
        ("1", "rows", "1", "columns"),
        ("1,1,1;2", "columns", "1,1,1;2", "columns"),
        ("0.37,12.3", "columns", "37,1230", "columns"),
    ],
)
def test_ratios_are_small_whole_numbers(given_ratios, mode, written, written_mode):
    boxes = split(given_ratios, mode)
    division = Division(parts=tuple(Part(prompt=str(number), area=box) for number, box in enumerate(boxes)))
    prompt, _, chosen = write_division(division)
    assert (chosen.ratios, chosen.mode) == (written, written_mode)
    assert read_division(prompt, ratios=written, mode=written_mode) == division


def test_text_is_the_one_of_the_page():
    """README, visualize: the template of a common text and rows of one, one and three cells."""
    template = "fantasy ADDCOMM\nsky ADDROW\ncastle ADDROW\nstalls ADDCOL\n2girls ADDCOL\nstalls"
    prompt, negative_prompt, chosen = write_division(read_division(template, "worst", ratios="1;1;1,1,1,1"))
    assert (prompt, negative_prompt, chosen.ratios) == (template, "worst", "1;1;1,1,1,1")


def test_rows_of_a_mode_are_written_with_its_words():
    prompt, _, chosen = write_division(read_division("a ADDROW b ADDCOL c", mode="rows"))
    assert (prompt, chosen.mode) == ("a ADDROW\nb ADDCOL\nc", "rows")


@pytest.mark.parametrize(
    "boxes",
    [
        [(0, 0, 0.5, 1)],
        [(0, 0, 0.5, 1), (0.6, 0, 1, 1)],
        [(0, 0, 0.6, 1), (0.5, 0, 1, 1)],
        [(0.5, 0, 1, 1), (0, 0, 0.5, 1)],
        [(0, 0, 1, 0.5), (0, 0.6, 1, 1)],
        [(0, 0, 0.5, 0.5), (0.5, 0, 1, 1), (0, 0.5, 0.5, 1)],
        # a pinwheel, which has no border from edge to edge
        [(0, 0, 0.6, 0.4), (0.6, 0, 1, 0.6), (0.4, 0.6, 1, 1), (0, 0.4, 0.4, 1), (0.4, 0.4, 0.6, 0.6)],
    ],
)
def test_boxes_that_are_no_grid_are_refused(boxes):
    division = Division(parts=tuple(Part(prompt="a", area=box) for box in boxes))
    with pytest.raises(ConfigError, match=r"as rows of cells or columns of cells.*: write them as a colour mask"):
        write_division(division)


@pytest.mark.parametrize("area", [np.ones((2, 2)), Word(text="hair", threshold=0.4)])
def test_other_areas_are_refused(area):
    with pytest.raises(ConfigError, match="Ratios describe boxes, but a part of this division has a mask or a word"):
        write_division(Division(parts=(Part(prompt="a", area=area),)))


def test_a_word_that_would_divide_is_named():
    sentence = r"The prompt of region 2 has ADDCOL in it, which would divide it: write \ADDCOL for the plain word."
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        write_division(grid("a", "b ADDCOL c"))
    with pytest.raises(ConfigError, match="The negative prompt of region 1 has BREAK in it"):
        write_division(Division(parts=(Part(prompt="a", negative_prompt="b BREAK c", area=(0, 0, 1, 1)),)))
