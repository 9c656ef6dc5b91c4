"""Areas of Regional Prompter's other modes, words of the base prompt and colour masks, as its README and tutorial state them."""

import numpy as np
import pytest

from ildm.conditioning.regional_prompter import Word, read_division, write_colours


def prompts(division):
    return [part.prompt for part in division.parts]


def areas(division):
    return [part.area for part in division.parts]


# words as areas


def test_words_of_the_base_are_areas():
    """README, syntax: the base with the words, then for each region its text, a comma and its word. Thresholds in that order."""
    division = read_division("a lady ,hair, face BREAK\nred, hair BREAK\ntanned ,face", mode="prompt", threshold="0.4,0.6")
    assert division.base_prompt == "a lady ,hair, face"
    assert prompts(division) == ["red, hair", "tanned ,face"]
    assert areas(division) == [Word(text="hair", threshold=0.4), Word(text="face", threshold=0.6)]


def test_one_threshold_serves_all():
    """README, threshold: a single number is taken for all regions."""
    division = read_division("b BREAK 1, x BREAK 2, y", mode="prompt", threshold="0.7")
    assert {area.threshold for area in areas(division)} == {0.7}


@pytest.mark.parametrize(
    ("text", "word"),
    [("(red skirt:1.5) ,(shortshorts:0.5)", "shortshorts"), ("girl, ,face", "face"), ("x, (long, hair:1.2)", "long, hair")],
)
def test_the_word_is_read_without_its_weight(text, word):
    """JP part of the tutorial: the word may be weakened in brackets."""
    (area,) = areas(read_division(f"b BREAK {text}", mode="prompt"))
    assert area.text == word


def test_prompt_adds_and_prompt_ex_overwrites():
    """README, Prompt and Prompt-EX: where areas overlap they are added, or the later one overwrites the earlier."""
    text = "b BREAK 1, x BREAK 2, y"
    assert read_division(text, mode="prompt").overlap == "add"
    assert read_division(text, mode="prompt-ex").overlap == "z-order"


def test_example_settings_for_words():
    """README, Example Settings, Prompt: common is ticked and base is not, and yet the text after the common one is the base."""
    division = read_division(
        "masterpiece BREAK a girl hair blouse with bag BREAK (red:1.8) ,hair BREAK (green:1.5),blouse BREAK (yellow:1.7), bag",
        mode="prompt-ex",
        ratios="1,1,1",
        base_ratios="",
        use_common=True,
        threshold="0.5,0.6,0.5",
    )
    assert (division.common_prompt, division.base_prompt) == ("masterpiece", "a girl hair blouse with bag")
    assert [area.text for area in areas(division)] == ["hair", "blouse", "bag"]


# colour masks


@pytest.fixture
def thirds():
    """Left third region 1, right third region 2, nothing between."""
    masks = np.zeros((2, 4, 6))
    masks[0, :, :2] = masks[1, :, 4:] = 1
    return masks


def test_without_a_base_what_has_no_colour_is_the_first_region(thirds):
    """README, Mask regions: with base off, uncoloured places are added to the first mask."""
    division = read_division("a BREAK b", mode="mask", mask=write_colours(list(thirds)))
    assert np.array_equal(division.parts[0].area, 1 - thirds[1])
    assert np.array_equal(division.parts[1].area, thirds[1])


@pytest.mark.parametrize("text", ["bg ADDBASE a BREAK b", "bg ADDBASE a ADDCOL b", "bg ADDBASE a ADDROW b"])
def test_with_a_base_what_has_no_colour_is_its_own(thirds, text):
    """README, Mask regions: with base on, uncoloured places get the base in full and coloured ones the base ratio. Divide ratios
    are ignored, ROW and COL are BREAK.
    """
    division = read_division(text, mode="mask", mask=write_colours(list(thirds)), ratios="not read", base_ratios="0,0.3")
    assert [np.array_equal(part.area, mask) for part, mask in zip(division.parts, thirds, strict=True)] == [True, True]
    assert [part.base_ratio for part in division.parts] == [0, 0.3]
    assert division.base_prompt == "bg"


def test_masks_of_ones_own(thirds):
    assert read_division("c ADDBASE a BREAK b", mode="mask", mask=list(thirds)) == read_division(
        "c ADDBASE a BREAK b", mode="mask", mask=write_colours(list(thirds))
    )
    soft = read_division("a BREAK b", mode="mask", mask=[thirds[0] * 0.25, thirds[1] * 0.5])
    assert np.allclose(sum(areas(soft)), 1)


def test_the_first_region_may_be_what_is_left(thirds):
    """README, Mask regions: so the first text fills the places without colour, be none in the first colour."""
    picture = write_colours([np.zeros((4, 6)), thirds[1]])
    assert np.array_equal(read_division("a BREAK b", mode="mask", mask=picture).parts[0].area, 1 - thirds[1])


def test_other_modes_ignore_the_mask(thirds):
    """README, Mask regions: without the mask mode the mask is ignored."""
    assert read_division("a BREAK b", mask=write_colours(list(thirds))) == read_division("a BREAK b")
