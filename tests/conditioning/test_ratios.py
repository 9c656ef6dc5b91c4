"""Ratio strings as Regional Prompter's users write them: boxes worked out by hand, and an image divided without a rest."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.ratios import split
from ildm.core.errors import ConfigError

modes = st.sampled_from(["columns", "rows"])
numbers = st.one_of(
    st.integers(1, 2048).map(str), st.floats(0.01, 100).map(repr), st.sampled_from(["1.", ".5", " 2 ", "1e2", "3e-1"])
)
strings = st.lists(st.tuples(numbers, st.sampled_from([",", ";"])), min_size=1, max_size=12).map(
    lambda pairs: "".join(number + mark for number, mark in pairs)[:-1]
)


@pytest.mark.parametrize(
    ("ratios", "mode", "expected"),
    [
        ("1", "columns", [(0, 0, 1, 1)]),
        ("1", "rows", [(0, 0, 1, 1)]),
        ("1,1", "columns", [(0, 0, 1 / 2, 1), (1 / 2, 0, 1, 1)]),
        ("1,1", "rows", [(0, 0, 1, 1 / 2), (0, 1 / 2, 1, 1)]),
        ("3, 1, 1", "columns", [(0, 0, 0.6, 1), (0.6, 0, 0.8, 1), (0.8, 0, 1, 1)]),
        ("1e308,1e308", "columns", [(0, 0, 1 / 2, 1), (1 / 2, 0, 1, 1)]),  # whose sum is infinite
        ("300,100,112", "rows", [(0, 0, 1, 300 / 512), (0, 300 / 512, 1, 400 / 512), (0, 400 / 512, 1, 1)]),
        (
            "1,2,1,1;2,4,6",
            "columns",
            [(0, 0, 1 / 2, 1 / 3), (1 / 2, 0, 3 / 4, 1 / 3), (3 / 4, 0, 1, 1 / 3), (0, 1 / 3, 2 / 5, 1), (2 / 5, 1 / 3, 1, 1)],
        ),
        # read by columns first: six of widths 1, 2, 1, 1, 4 and 6, the fourth with a single cell
        (
            "1,2,1,1;2,4,6",
            "rows",
            [(left / 15, 0, right / 15, 1) for left, right in [(0, 1), (1, 3), (3, 4), (4, 5), (5, 9), (9, 15)]],
        ),
        (
            "2,1,1; 1,2,3,4",
            "columns",
            [
                (0, 0, 1 / 2, 2 / 3),
                (1 / 2, 0, 1, 2 / 3),
                *[(0, 2 / 3, 2 / 9, 1), (2 / 9, 2 / 3, 5 / 9, 1), (5 / 9, 2 / 3, 1, 1)],
            ],
        ),
        ("1;2;1", "columns", [(0, 0, 1, 1 / 4), (0, 1 / 4, 1, 3 / 4), (0, 3 / 4, 1, 1)]),
        ("1;2;1", "rows", [(0, 0, 1, 2 / 3), (0, 2 / 3, 1, 1)]),  # one column of two cells
        ("1;2;3,4", "columns", [(0, 0, 1, 1 / 6), (0, 1 / 6, 1, 1 / 2), (0, 1 / 2, 1, 1)]),
        ("1;2;3,4", "rows", [(0, 0, 1 / 5, 2 / 5), (0, 2 / 5, 1 / 5, 1), (1 / 5, 0, 1, 1)]),
        ("1,1;1,1", "columns", [(0, 0, 1, 1 / 2), (0, 1 / 2, 1, 1)]),  # two rows of one cell each
    ],
)
def test_boxes_by_hand(ratios, mode, expected):
    boxes = split(ratios, mode)
    assert len(boxes) == len(expected)
    assert all(box == pytest.approx(other, abs=1e-12) for box, other in zip(boxes, expected, strict=True))


def test_flip_comes_first():
    assert split("1;2;1", "columns", flip=True) == split("1,2,1", "columns")  # no `;` is left: side by side
    assert split("1;2;1", "rows", flip=True) == split("1,2,1", "rows")
    assert split("1,2,1", "columns", flip=True) == split("1;2;1", "columns")
    assert split("1,2,1", "rows", flip=True) == split("1;2;1", "rows")


@given(strings, modes)
def test_flip_is_the_other_way_of_writing(ratios, mode):
    swapped = ratios.replace(",", "x").replace(";", ",").replace("x", ";")
    assert split(ratios, mode, flip=True) == split(swapped, mode)


@given(strings.filter(lambda ratios: ";" in ratios and "," in ratios))
def test_rows_of_a_flipped_string_are_columns_mirrored(ratios):
    mirrored = [(top, left, bottom, right) for left, top, right, bottom in split(ratios, "columns")]
    assert split(ratios, "rows", flip=True) == mirrored


@given(strings, modes, st.booleans())
def test_boxes_cover_the_image_and_do_not_overlap(ratios, mode, flip):
    boxes = split(ratios, mode, flip)
    assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in boxes)
    assert sum((right - left) * (bottom - top) for left, top, right, bottom in boxes) == pytest.approx(1, abs=1e-9)
    for one, other in combinations(boxes, 2):
        assert min(one[2], other[2]) <= max(one[0], other[0]) or min(one[3], other[3]) <= max(one[1], other[1])
    for first in (0, 1):
        # every border is the image's edge or, to the last bit, where another box begins
        assert {box[first + 2] for box in boxes} - {1.0} == {box[first] for box in boxes} - {0.0}


@given(strings, modes, st.sampled_from([2.0, 0.5, 2.0**1000]))
def test_only_ratios_count(ratios, mode, factor):
    larger = "".join(
        part if part in ",;" else repr(float(part) * factor)
        for part in ratios.replace(",", "|,|").replace(";", "|;|").split("|")
    )
    assert split(larger, mode) == split(ratios, mode)


@pytest.mark.parametrize(
    ("ratios", "wrong"),
    [
        ("", "''"),
        (" ", "''"),
        ("1,,1", "''"),
        ("1,1;", "''"),
        (";", "''"),
        ("1,a", "'a'"),
        ("1 2", "'1 2'"),
        ("1:2", "'1:2'"),
        ("0,1", "'0'"),
        ("1,-2", "'-2'"),
        ("inf", "'inf'"),
        ("nan,1", "'nan'"),
        ("1,1e999", "'1e999'"),
        ("1_0,1", "'1_0'"),
        ("1e-999;1", "'1e-999'"),
        ("1,0,1;1", "'0'"),
    ],
)
@pytest.mark.parametrize("flip", [False, True])
def test_what_is_no_ratio_is_named(ratios, wrong, flip):
    written = ratios.translate(str.maketrans(",;", ";,")) if flip else ratios
    with pytest.raises(ConfigError) as error:
        split(written, "columns", flip)
    assert str(error.value).endswith(f"but {written!r} was given, where {wrong} is none.")


@pytest.mark.parametrize("ratios", ["1e300,1e-300", "1,1e-17", "1e300;1,1e-300,1"])
def test_a_part_too_small_to_be_seen_is_refused(ratios):
    with pytest.raises(ConfigError, match="too small beside the others"):
        split(ratios)


@given(st.text("0123456789.,; -e"), modes, st.booleans())
def test_other_strings_are_refused_in_a_sentence(ratios, mode, flip):
    try:
        boxes = split(ratios, mode, flip)
    except ConfigError as error:
        assert repr(ratios) in str(error)
    else:
        assert 1 <= len(boxes) <= 1 + ratios.count(",") + ratios.count(";")
