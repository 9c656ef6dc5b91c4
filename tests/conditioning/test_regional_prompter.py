"""Divided prompts as Regional Prompter's users type them: what its pages say comes out.

"README", "JP README" and "tutorial" are README.md, README.JP.md and prompt_en.md of hako-mikan/sd-webui-regional-prompter, "#7" one
of its threads; each case says what they state, in other words.
"""

import pytest

from ildm.conditioning.ratios import split
from ildm.conditioning.regional_prompter import Division, Part, read_division

KEYWORDS = ["BREAK", "AND", "ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW"]
GRID = """(blue sky:1.2) ADDCOL
green hair twintail ADDCOL
(aquarium:1.3) ADDROW
(messy desk:1.2) ADDCOL
orange dress and sofa"""


def prompts(division):
    return [part.prompt for part in division.parts]


def areas(division):
    return [part.area for part in division.parts]


def near(boxes):
    return [pytest.approx(box, abs=1e-11) for box in boxes]


# the words between regions


def test_three_texts_from_top_to_bottom():
    """README, Usage: three texts with BREAK between, divided vertically 1,1,1, go to thirds of the image from the top."""
    division = read_division("green hair twintail BREAK\nred blouse BREAK\nblue skirt", ratios="1,1,1", mode="rows")
    assert prompts(division) == ["green hair twintail", "red blouse", "blue skirt"]
    assert areas(division) == near([(0, 0, 1, 1 / 3), (0, 1 / 3, 1, 2 / 3), (0, 2 / 3, 1, 1)])
    assert division.base_prompt == division.common_prompt == ""
    assert {part.base_ratio for part in division.parts} == {0.0}


def test_and_is_a_break():
    """README, calculation mode: AND and BREAK may be typed alike, they are turned into each other."""
    assert read_division("a AND b") == read_division("a BREAK b")
    assert read_division("a AND x ADDCOL b") == read_division("a BREAK x ADDCOL b")
    assert read_division("n BREAK a AND b", use_base=True) == read_division("n BREAK a BREAK b", use_base=True)
    assert read_division("a BREAK b", "n AND m") == read_division("a BREAK b", "n BREAK m")


def test_and_may_be_kept():
    """README, table of settings: Not Change AND leaves it alone."""
    division = read_division("a AND x :1.2 BREAK b", keep_and=True)
    assert prompts(division) == ["a AND x :1.2", "b"]


@pytest.mark.parametrize("mode", ["columns", "rows"])
def test_cells_of_a_grid(mode):
    """README, 2D: ADDCOL goes on to the right and ADDROW below; with these ratios three cells lie over two."""
    division = read_division(GRID, ratios="1,2,1,1;2,4,6", mode=mode)
    assert prompts(division)[2:4] == ["(aquarium:1.3)", "(messy desk:1.2)"]
    if mode == "columns":
        assert areas(division) == near(split("1,2,1,1;2,4,6"))
    else:
        # columns first: one, one, two cells above one another, one; `1`, `2`, `1` and `1;2` are their own sizes
        fifths = [(0, 1), (1, 3), (3, 4), (3, 4), (4, 5)]
        assert [(left * 5, right * 5) for left, _, right, _ in areas(division)] == [pytest.approx(one) for one in fifths]


def test_break_alone_with_ratios_of_a_grid():
    """README, 2D: the ratios alone may say what the grid is, with nothing but BREAK in the prompt."""
    text = GRID.replace("ADDCOL", "BREAK").replace("ADDROW", "BREAK")
    assert read_division(text, ratios="1,2,1,1;2,4,6") == read_division(GRID, ratios="1,2,1,1;2,4,6")


@pytest.mark.parametrize("ratios", ["", " ", "1", "1,1"])
def test_without_ratios_all_cells_are_alike(ratios):
    """README, 2D: without ratios all regions are of one size."""
    expected = [
        (0, 0, 1 / 3, 1 / 2),
        (1 / 3, 0, 2 / 3, 1 / 2),
        (2 / 3, 0, 1, 1 / 2),
        (0, 1 / 2, 1 / 2, 1),
        (1 / 2, 1 / 2, 1, 1),
    ]
    assert areas(read_division(GRID, ratios=ratios)) == near(expected)


@pytest.mark.parametrize(
    ("prompt", "ratios", "mode", "sizes"),
    [
        ("a ADDROW b", "1,2", "columns", [(1, [1]), (2, [1])]),
        ("a ADDROW b", "1,2", "rows", [(1, [1, 2])]),
        ("a ADDCOL b", "1,2", "columns", [(1, [1, 2])]),
        ("a ADDCOL b", "1,2", "rows", [(1, [1]), (2, [1])]),
        ("a ADDCOL b", "", "rows", [(1, [1]), (1, [1])]),
        ("a ADDCOL b ADDROW c", "1,2", "columns", [(1, [1, 1]), (1, [1])]),
        ("a ADDCOL b ADDROW c", "2,1;3", "columns", [(2, [1, 1]), (3, [1])]),
        ("a ADDCOL b ADDCOL c", "1,2", "columns", [(1, [1, 2, 2])]),
        ("a ADDROW b ADDROW c", "1;2;3", "columns", [(1, [1]), (2, [1]), (3, [1])]),
        ("a ADDROW b ADDROW c", "1;2", "columns", [(1, [1]), (2, [1]), (2, [1])]),
        (GRID, "3,1;1", "columns", [(3, [1, 1, 1]), (1, [1, 1])]),
        (GRID, "1,2,3,4", "columns", [(1, [2, 3, 4]), (1, [1, 1])]),
        (GRID, "1,2,1,1,2,4,6", "columns", [(1, [2, 1, 1]), (2, [4, 6])]),
        (GRID, "1,2,1,1;1,3,1,1", "columns", [(1, [2, 1, 1]), (1, [3, 1])]),
    ],
)
def test_ratios_are_fitted_to_the_words(prompt, ratios, mode, sizes):
    """`split_l2` of the tool's regions.py, its rules of broadcasting: outer sizes, and those of the cells within."""
    whole, expected, top = sum(size for size, _ in sizes), [], 0
    for size, cells in sizes:
        left = 0
        for cell in cells:
            box = (left / sum(cells), top / whole, (left + cell) / sum(cells), (top + size) / whole)
            expected.append(box if mode == "columns" else (box[1], box[0], box[3], box[2]))
            left += cell
        top += size
    assert areas(read_division(prompt, ratios=ratios, mode=mode)) == near(expected)
    if ratios:
        flipped = ratios.translate(str.maketrans(",;", ";,"))
        assert areas(read_division(prompt, ratios=flipped, mode=mode, flip=True)) == near(expected)


def test_words_in_both_directions_of_a_mode():
    """#11: p1 ROW p2 COL p3 is a row of one above a row of two, or a column of two beside a column of one."""
    text = "p1 ADDROW p2 ADDCOL p3"
    assert areas(read_division(text)) == [(0, 0, 1, 0.5), (0, 0.5, 0.5, 1), (0.5, 0.5, 1, 1)]
    assert areas(read_division(text, mode="rows")) == [(0, 0, 0.5, 0.5), (0, 0.5, 0.5, 1), (0.5, 0, 1, 1)]
    assert areas(read_division(text, ratios="1;2;3,4", mode="rows"))[0] == pytest.approx((0, 0, 1 / 5, 2 / 5))


def test_one_line_of_words_takes_one_line_of_ratios():
    assert areas(read_division("a ADDCOL b", ratios="3,1")) == [(0, 0, 0.75, 1), (0.75, 0, 1, 1)]
    assert areas(read_division("a ADDROW b", ratios="3,1", mode="rows")) == [(0, 0, 1, 0.75), (0, 0.75, 1, 1)]
    assert areas(read_division("a ADDROW b", ratios="3;1")) == [(0, 0, 1, 0.75), (0, 0.75, 1, 1)]


def test_flip_swaps_the_marks_of_the_ratios():
    """README, 2D: the flip option swaps `,` and `;`."""
    assert areas(read_division("a BREAK b", ratios="3;1", flip=True)) == [(0, 0, 0.75, 1), (0.75, 0, 1, 1)]


def test_a_break_beside_cells_belongs_to_a_cell():
    """#7: beside ADDROW and ADDCOL a BREAK has nothing to do with regions."""
    division = read_division("a BREAK more of a ADDCOL b", "n BREAK more of n ADDCOL m")
    assert prompts(division) == ["a BREAK more of a", "b"]
    assert [part.negative_prompt for part in division.parts] == ["n BREAK more of n", "m"]


@pytest.mark.parametrize("word", KEYWORDS)
def test_a_word_with_a_backslash_is_plain(word):
    division = read_division(f"a \\{word} b BREAK c\\\\ BREAK {word}s and A{word}", ratios="1,1,1")
    assert prompts(division) == [f"a \\{word} b", "c\\\\", f"{word}s and A{word}"]
    assert division.base_prompt == division.common_prompt == ""


# common and base


def test_common_goes_in_front_of_each_text():
    """README, Use common prompt: the first text is added to all others, before a comma; four texts for three regions."""
    text = "best quality, 20yo lady in garden BREAK\ngreen hair twintail BREAK\nred blouse BREAK\nblue skirt"
    division = read_division(text, ratios="1,1,1", use_common=True)
    assert division.prompts() == (
        "best quality, 20yo lady in garden, green hair twintail",
        "best quality, 20yo lady in garden, red blouse",
        "best quality, 20yo lady in garden, blue skirt",
    )
    assert read_division(text.replace("BREAK", "ADDCOMM", 1), ratios="1,1,1") == division


def test_base_is_the_first_text():
    """README, Use base prompt: the first text is the base, so there is one more than there are regions. ADDBASE turns that on."""
    division = read_division("a girl BREAK red hair BREAK green dress", use_base=True)
    assert division.base_prompt == "a girl"
    assert prompts(division) == ["red hair", "green dress"]
    assert read_division("a girl ADDBASE\nred hair BREAK\ngreen dress") == division


def test_common_comes_before_base():
    """README, Use common prompt: with both, first common, then base, then the regions."""
    expected = Division(
        common_prompt="c",
        base_prompt="b",
        parts=(
            Part(prompt="1", base_ratio=0.2, area=(0, 0, 0.5, 1)),
            Part(prompt="2", base_ratio=0.2, area=(0.5, 0, 1, 1)),
        ),
    )
    assert read_division("c BREAK b BREAK 1 BREAK 2", use_common=True, use_base=True) == expected
    assert read_division("c ADDCOMM b ADDBASE 1 ADDCOL 2") == expected
    assert read_division("c ADDCOMM b BREAK 1 ADDCOL 2", use_base=True) == expected
    assert read_division("c BREAK b ADDBASE 1 ADDCOL 2", use_common=True) == expected
    assert read_division("b ADDBASE c ADDCOMM 1 ADDCOL 2") == expected


def test_template_of_the_page():
    """README, visualize: a template in rows of one, one and three cells, with a common text."""
    text = "fantasy ADDCOMM\nsky ADDROW\ncastle ADDROW\nstalls ADDCOL\n2girls ADDCOL\nstalls"
    division = read_division(text, ratios="1;1;1,1,1,1")
    assert division.prompts() == ("fantasy, sky", "fantasy, castle", "fantasy, stalls", "fantasy, 2girls", "fantasy, stalls")
    assert areas(division) == near(split("1;1;1,1,1,1"))


def test_shared_texts_keep_a_break():
    division = read_division("c BREAK more ADDCOMM b BREAK more ADDBASE 1 BREAK 2")
    assert (division.common_prompt, division.base_prompt) == ("c BREAK more", "b BREAK more")


@pytest.mark.parametrize(
    ("given_ratios", "expected"),
    [("0.2", [0.2, 0.2]), ("0.1, 0.3", [0.1, 0.3]), ("0;1", [0, 1]), ("", [0, 0]), (".5", [0.5, 0.5])],
)
def test_base_ratios(given_ratios, expected):
    """README, Base ratio: one number for all regions, or one for each; table of settings: 0 unless given."""
    division = read_division("b ADDBASE 1 BREAK 2", base_ratios=given_ratios)
    assert [part.base_ratio for part in division.parts] == expected


def test_base_ratios_are_for_a_base():
    division = read_division("1 BREAK 2", base_ratios="0.1,0.3,nothing")
    assert [part.base_ratio for part in division.parts] == [0, 0]


# negative prompts


@pytest.mark.parametrize("text", ["1 BREAK 2 BREAK 3", "b ADDBASE 1 BREAK 2 BREAK 3", "1 ADDCOL 2 ADDROW 3"])
def test_one_negative_prompt_serves_all(text):
    """README, Prompt: without a BREAK in it the negative prompt is that of all regions."""
    division = read_division(text, "worst, ugly", ratios="1,1,1")
    assert division.negative_prompts() == ("worst, ugly",) * 3
    assert division.negative_prompt == "worst, ugly"


def test_negative_prompts_of_regions():
    """README, Prompt: BREAK divides the negative prompt among the regions too."""
    division = read_division("1 BREAK 2", "n BREAK m")
    assert division.negative_prompts() == ("n", "m")
    assert division.negative_prompt == ""
    assert read_division("1 ADDROW 2", "n ADDROW m").negative_prompts() == ("n", "m")
    assert read_division("1 ADDROW 2", "n BREAK m").negative_prompts() == ("n", "m")


@pytest.mark.parametrize(
    ("negative", "ticked"), [("all ADDCOMM n BREAK m", False), ("all BREAK n BREAK m", True), ("all ADDCOMM n BREAK m", True)]
)
def test_common_negative_prompt(negative, ticked):
    """#105: the common negative prompt first, then one for each region; #11: ADDCOMM turns that on."""
    division = read_division("1 BREAK 2", negative, use_common_negative=ticked)
    assert division.common_negative_prompt == "all"
    assert division.negative_prompts() == ("all, n", "all, m")


def test_a_common_negative_prompt_alone_is_not_there_twice():
    """#301: one negative prompt is that of all regions already."""
    division = read_division("1 BREAK 2", "n", use_common_negative=True)
    assert division.negative_prompts() == ("n", "n")


def test_the_base_may_have_a_negative_prompt():
    """tutorial: common negative prompt, BREAK, nothing for the base, BREAK, that of the region. #133: so with a mask."""
    division = read_division(
        "a girl, holding umbrella BREAK (red:1.7), umbrella",
        "nsfw BREAK BREAK (dark,transparent, black, blue:2)",
        mode="prompt-ex",
        use_common_negative=True,
    )
    assert division.common_negative_prompt == "nsfw"
    assert division.negative_prompt == ""
    assert [part.negative_prompt for part in division.parts] == ["(dark,transparent, black, blue:2)"]
    assert read_division("b ADDBASE 1 BREAK 2", "x BREAK n BREAK m").negative_prompt == "x"
    assert read_division("b ADDBASE 1 BREAK 2", "x ADDBASE n").negative_prompts() == ("n", "n")
