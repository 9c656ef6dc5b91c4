"""Boxes as a prompt: text, JSON and tokens say the same, exactly on the grid, and what is no layout is refused."""

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ildm.conditioning.layout import (
    LayoutConditioner,
    LayoutConfig,
    LayoutTokens,
    Placed,
    layout_from_json,
    layout_prompt,
    layout_text,
    read_layout,
)
from ildm.conditioning.prompt import plain_text
from ildm.core.errors import ConfigError

NAMES = ("fox", "key", "1st place medal", "CL button (large)")
CONFIG = LayoutConfig(names=NAMES, max_objects=3, width=16, depth=1, num_heads=2)
TOKENS = LayoutTokens(CONFIG)


def boxes():
    """Corners on the grid, right of and below each other."""
    most = CONFIG.grid - 1
    sides = st.lists(st.integers(0, most), min_size=2, max_size=2, unique=True).map(sorted)
    return st.tuples(sides, sides).map(
        lambda both: (both[0][0] / most, both[1][0] / most, both[0][1] / most, both[1][1] / most)
    )


@given(st.lists(st.builds(Placed, st.sampled_from(NAMES), boxes()), max_size=3))
def test_tokens_come_back_as_the_boxes_they_were_made_of(things):
    tokens = TOKENS.encode(things)
    assert len(tokens) == 11 == CONFIG.num_tokens
    assert TOKENS.decode(tokens) == tuple(things)
    assert TOKENS.encode(TOKENS.decode(tokens)) == tokens


@given(st.lists(st.builds(Placed, st.sampled_from(NAMES), boxes()), max_size=3))
def test_a_layout_survives_its_text_and_prompt_syntax(things):
    read = read_layout(plain_text(layout_prompt(things)))
    assert [one.label for one in read] == [one.label for one in things]
    assert TOKENS.encode(read) == TOKENS.encode(things)


def test_thirty_objects_are_the_papers_ninety_two_tokens_over_8192_points():
    config = LayoutConfig(names=NAMES, max_objects=30)
    assert (config.num_tokens, config.vocabulary_size) == (92, 90 * 90 + 1 + len(NAMES))
    # the whole picture is the crop, said by the last two
    assert LayoutTokens(config).encode([])[-2:] == [0, 8099]
    assert set(LayoutTokens(config).encode([])[:-2]) == {8100}


def test_json_is_read():
    text = json.dumps([{"label": "fox", "box": [0.1, 0.2, 0.5, 0.6]}])
    assert layout_from_json(text, "boxes.json") == (Placed("fox", (0.1, 0.2, 0.5, 0.6)),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '[{"label": "fox"}]',
        '[{"label": "fox", "box": [1, 2, 3]}]',
        '[{"label": "fox", "box": ["a", 0, 1, 1]}]',
    ],
)
def test_other_json_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"boxes\.json holds no boxes .*\"label\": \"fox\""):
        layout_from_json(text, "boxes.json")


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("fox", "is no box: a layout reads"),
        ("fox 0.1 0.2 0.5", "is no box"),
        ("fox 0.1 0.2 0.5 1.5", "leaves the picture"),
        ("fox -0.1 0.2 0.5 0.6", "leaves the picture"),
        ("fox 0.5 0.2 0.5 0.6", "is empty"),
        ("fox 0.1 0.7 0.5 0.6", "is empty"),
        ("foxx 0.1 0.2 0.5 0.6", "does not know 'foxx': did you mean 'fox'"),
        ("; ".join(["fox 0.1 0.2 0.5 0.6"] * 4), "up to 3 boxes, but 4 were given"),
    ],
)
def test_what_cannot_be_drawn_is_refused(prompt, told):
    with pytest.raises(ConfigError, match=told):
        LayoutConditioner(CONFIG)([prompt])


def test_the_conditioner_tells_layouts_apart_and_knows_none():
    torch.manual_seed(0)
    conditioner = LayoutConditioner(CONFIG)
    made = conditioner(["fox 0.1 0.2 0.5 0.6", "fox 0.1 0.2 0.5 0.9", "key 0.1 0.2 0.5 0.6", "", ""])
    assert made.context.shape == (5, 11, 16)
    assert made.pooled.shape == (5, 16)
    first, taller, key, none, again = made.context
    assert torch.equal(none, again)
    assert not any(torch.equal(first, other) for other in (taller, key, none))


def test_points_that_lie_near_each_other_begin_alike():
    torch.manual_seed(0)
    config = LayoutConfig(names=("fox",), width=48, depth=1, num_heads=4)
    points = LayoutConditioner(config).encoder.token_embedding.weight[: config.grid**2].detach()
    grid = points.unflatten(0, (config.grid, config.grid))
    here, beside, below, far = grid[40, 40], grid[40, 41], grid[41, 40], grid[10, 80]
    apart = [float((here - other).norm()) for other in (beside, below, far)]
    assert max(apart[:2]) < 0.5 * apart[2]
    assert points.std() == pytest.approx(0.02, rel=0.05), "as large as the classes begin"
    assert LayoutConditioner(replace(config, width=1, num_heads=1))(["fox 0 0 1 1"]).context.shape == (1, 26, 1)


def test_text_is_what_a_person_would_type():
    assert layout_text([Placed("fox", (0.1, 0.25, 0.5, 0.6))]) == "fox 0.1 0.25 0.5 0.6"
    assert read_layout(" fox 0.1 0.25 .5 0.6 ;") == (Placed("fox", (0.1, 0.25, 0.5, 0.6)),)


@pytest.mark.parametrize("change", [{"max_objects": 0}, {"grid": 1}, {"num_heads": 3}])
def test_a_graph_that_cannot_be_is_refused(change):
    with pytest.raises(ConfigError, match="A layout encoder has"):
        LayoutConfig(**{"names": NAMES, "width": 16, **change})


def test_boxes_that_are_nested_too_deeply_are_refused():
    with pytest.raises(ConfigError, match=r"x\.json holds no boxes \(it is nested too deeply\)"):
        layout_from_json("[" * 100_000, "x.json")


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_beyond_all_floats_leaves_the_picture(digits):
    with pytest.raises(ConfigError, match="The box of 'fox', inf 0 1 1, leaves the picture"):
        layout_from_json(f'[{{"label": "fox", "box": [{"9" * digits}, 0, 1, 1]}}]', "x.json")


def test_of_many_names_a_few_are_told():
    names = tuple(f"thing {number:03}" for number in range(862))
    with pytest.raises(ConfigError) as told:
        LayoutTokens(LayoutConfig(names=names)).encode([Placed("qqq", (0.0, 0.0, 1.0, 1.0))])
    assert (
        str(told.value).endswith("thing 004 and 857 more, which `ildm info MODEL --json` lists.") and len(str(told.value)) < 200
    )
