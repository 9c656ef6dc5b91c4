"""Regional Prompter's file of presets: its own ones are read and used, others named in a sentence."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.regional_prompter import UnreadPreset, Word, read_division, read_presets
from ildm.core.errors import ConfigError, DataError

FIRST = {"name": "thirds", "mode": "Vertical", "ratios": "1,1,1", "baseratios": "", "usebase": False, "usecom": False}
FIRST |= {"usencom": False, "calcmode": "Attention", "nchangeand": False, "lnter": "0", "lnur": "0"}
LAST = {"name": "lastrun", "mode": "Prompt-Ex", "ratios": "1,1", "baseratios": "0.2", "usebase": True, "usecom": True}
LAST |= {"usencom": False, "calcmode": "Latent", "nchangeand": [False, "disable convert 'AND' to 'BREAK'"], "lnter": "0"}
LAST |= {"lnur": "0", "threshold": "0.4,0.4,0.4", "polymask": None}


def only(**changes):
    (preset,) = read_presets(json.dumps([FIRST | changes]))
    return preset.settings


def test_presets_of_the_repository():
    """Its regional_prompter_presets.json: the keys of the presets that come with it, and of the one for the last run."""
    first, last = read_presets(json.dumps([FIRST, LAST], indent=2))
    assert (first.name, last.name) == ("thirds", "lastrun")
    assert first.settings.read("a BREAK b BREAK c") == read_division("a BREAK b BREAK c", ratios="1,1,1", mode="rows")
    division = last.settings.read("c BREAK b AND d BREAK 1, x BREAK 2, y BREAK 3, z")
    assert (division.common_prompt, division.base_prompt) == ("c", "b AND d")
    assert [part.area for part in division.parts] == [Word(text=word, threshold=0.4) for word in "xyz"]
    assert (division.overlap, division.calculation) == ("z-order", "latent")


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("Horizontal", "columns"),  # README, Updates: renamed to Columns
        ("Vertical", "rows"),  # and to Rows
        ("Columns", "columns"),
        ("Rows", "rows"),
        ("Mask", "mask"),
        ("Prompt", "prompt"),
        ("Prompt-Ex", "prompt-ex"),
        ("Prompt-EX", "prompt-ex"),
    ],
)
def test_modes_old_and_new(mode, expected):
    assert only(mode=mode).mode == expected


def test_a_grid_of_a_preset():
    """Its preset Twod-2-1: 1,2,3;1,1 with a base ratio but no base."""
    settings = only(mode="Horizontal", ratios="1,2,3;1,1", baseratios="0.2")
    division = settings.read("a BREAK b BREAK c")
    assert division == read_division("a ADDCOL b ADDROW c", ratios="1,2,3;1,1")
    assert [part.base_ratio for part in division.parts] == [0, 0, 0]


def test_a_mask_beside_a_preset():
    """README, Mask regions: a preset of mask mode has its mask in another file."""
    settings = only(mode="Mask", usebase=True, baseratios="0", polymask="")
    division = settings.read("bg BREAK a", mask=[np.ones((2, 2))])
    assert division.base_prompt == "bg"
    with pytest.raises(ConfigError, match="but none was given"):
        settings.read("bg BREAK a")


def test_flags():
    settings = only(usebase=True, usecom=True, usencom=True, flip=True, nchangeand=True, calcmode="latent")
    assert settings.use_base and settings.use_common and settings.use_common_negative and settings.flip and settings.keep_and
    assert settings.calculation == "latent"
    assert only(usebase="True").use_base
    assert not only(usebase="False", usecom=None).use_base


@pytest.mark.parametrize(
    ("ticked", "expected"), [([False], False), (["F", "disable convert 'AND' to 'BREAK'"], True), ([], False)]
)
def test_a_list_of_ticked_options(ticked, expected):
    """Files of its own and of other programs: the option is in a list that may have a stray flag in front."""
    assert only(nchangeand=ticked).keep_and is expected


def test_numbers_that_are_numbers():
    """A file of RPG_layered: base ratio and threshold without quotes."""
    settings = only(baseratios=0.6, threshold=0.4, lnter=0, lnur=0)
    assert (settings.base_ratios, settings.threshold) == ("0.6", "0.4")


def test_keys_that_came_later_may_lack():
    (preset,) = read_presets('\ufeff[{"name": " short ", "mode": "Rows"}]')
    assert preset.name == "short"
    assert preset.settings.read("a BREAK b", "n") == read_division("a BREAK b", "n", mode="rows", base_ratios="")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The presets are no JSON (Expecting value"),
        ("[", "The presets are no JSON"),
        ("[" * 100_000, "The presets are no JSON"),
        ("9" * 5000, "The presets are no JSON"),
        ("{}", "A file of presets is a list with an object for each"),
    ],
)
def test_what_is_no_list_is_said(text, sentence):
    with pytest.raises(DataError, match=re.escape(sentence)) as error:
        read_presets(text)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1]", "Each preset is an object with a name, but number 1 is none"),
        ('[{"name": "a", "mode": "Rows"}, {"mode": "Rows"}]', "but number 2 is none"),
        ('[{"name": " "}]', "but number 1 is none"),
        ('[{"name": 3}]', "but number 1 is none"),
        (
            '[{"name": "a"}]',
            "Preset 'a' has None for 'mode', expected columns, rows, mask, prompt, prompt-ex, horizontal or vertical",
        ),
        ('[{"name": "a", "mode": "Circles"}]', "Preset 'a' has 'Circles' for 'mode'"),
        (
            '[{"name": "a", "mode": "Rows", "calcmode": "Both"}]',
            "Preset 'a' has 'Both' for 'calcmode', expected attention or latent",
        ),
        ('[{"name": "a", "mode": "Rows", "usebase": 2}]', "Preset 'a' has 2 for 'usebase', expected true or false"),
        ('[{"name": "a", "mode": "Rows", "ratios": [1]}]', "Preset 'a' has [1] for 'ratios', expected a string of numbers"),
        ('[{"name": "a", "mode": "Rows", "ratio": "1"}]', "Preset 'a' has the unknown key 'ratio': did you mean 'ratios'?"),
        ('[{"name": "a", "mode": "Rows", "ratios": true}]', "Preset 'a' has True for 'ratios'"),
    ],
)
def test_what_is_no_preset_is_said(text, sentence):
    *good, bad = read_presets(text)
    assert isinstance(bad, UnreadPreset) and sentence in bad.problem and len(bad.problem) < 300
    assert [one.settings.mode for one in good] == ["rows"] * len(good)  # one does not keep the others from being read


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["Rows", "Mask", "1,1", "True", "Latent"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from([*LAST, "flip", "new"]), values), max_size=3) | values)
def test_any_json_is_read_or_refused(entries):
    try:
        presets = read_presets(json.dumps(entries))
    except DataError:
        return
    for preset in presets:
        if isinstance(preset, UnreadPreset):
            assert preset.problem.endswith(".") or preset.problem.endswith("?")
            continue
        try:
            assert preset.settings.read("a BREAK b").parts
        except ConfigError:
            continue


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        assert read_presets(text) == []
    except DataError as error:
        assert str(error).endswith(".")
