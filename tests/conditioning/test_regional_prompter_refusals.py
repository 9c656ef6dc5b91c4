"""What Regional Prompter's users may type wrong is refused in a sentence, and nothing that can be typed fails otherwise."""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from ildm.conditioning.regional_prompter import Part, read_division
from ildm.core.errors import ConfigError, DataError

KEYWORDS = ["BREAK", "AND", "ADDCOMM", "ADDBASE", "ADDCOL", "ADDROW"]
PIECES = [*"ab ()[]:|\\,\n", *KEYWORDS, *(f"\\{word}" for word in KEYWORDS), ", shirt", "é"]
typed = st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join), st.text())
MODES = ["columns", "rows", "mask", "prompt", "prompt-ex"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"prompt": "a"}, "The ratios '1,1' make 2 regions, but the prompt has 1 text for them: write one for each"),
        ({"prompt": "a BREAK b BREAK"}, "make 2 regions, but the prompt has 3 texts"),  # README, Troubleshooting
        ({"prompt": "a BREAK b", "use_base": True}, "make 2 regions, but the prompt has 1 text"),
        ({"prompt": "a", "use_base": True}, "there is none: write it behind a BREAK"),
        ({"prompt": "a ADDCOMM b ADDCOMM c"}, "ADDCOMM stands once in a prompt"),
        ({"prompt": "a ADDCOL b ADDBASE c"}, "ADDBASE stands before the regions"),
        ({"prompt": "a BREAK b", "ratios": "1,x"}, "where 'x' is none"),
        ({"prompt": "a BREAK b", "ratios": "1,1e-14"}, "A box is"),
        ({"prompt": "a ADDBASE b BREAK c", "base_ratios": "1.2"}, "where '1.2' is none"),
        ({"prompt": "a ADDBASE b BREAK c", "base_ratios": "0.1,"}, "where '' is none"),
        ({"prompt": "a ADDBASE b BREAK c", "base_ratios": "0.1,0.2,0.3"}, "has 3 for 2 regions"),
        ({"prompt": "a BREAK b", "negative_prompt": "n BREAK m BREAK o"}, "there are 3 texts for 2 regions"),
        ({"prompt": "a BREAK b", "mode": "mask"}, "Mode 'mask' divides an image by a colour mask, but none was given"),
        (
            {"prompt": "a BREAK b", "mode": "mask", "mask": [np.ones((2, 2))]},
            "The mask has 1 region, but the prompt has 2 texts",
        ),
        ({"prompt": "a BREAK b", "mode": "mask", "mask": [np.ones((2, 2)), np.ones((2, 3))]}, "have one size"),
        (
            {"prompt": "a BREAK b", "mode": "mask", "mask": [np.ones((2, 2)), np.zeros((2, 2))]},
            "region 2 is nowhere: draw it in RGB(64, 128, 128)",
        ),
        ({"prompt": "a", "mode": "mask", "mask": [np.full((2, 2), 2.0)]}, "divide it by its maximum"),
        ({"prompt": "a", "mode": "mask", "mask": [np.full((2, 2), np.nan)]}, "numbers in [0, 1]"),
        ({"prompt": "a", "mode": "mask", "mask": [np.ones(3)]}, "a height and a width"),
        ({"prompt": "b BREAK red umbrella", "mode": "prompt"}, "ends in a comma and that word"),
        ({"prompt": "b BREAK red, ()", "mode": "prompt"}, "ends in a comma and that word"),
        ({"prompt": "b BREAK a, x", "mode": "prompt", "threshold": "high"}, "where 'high' is none"),
    ],
)
def test_what_cannot_be_read_is_said(arguments, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)) as error:
        read_division(**arguments)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


@pytest.mark.usefixtures("shapes_unchecked")
def test_unknown_names_are_said():
    with pytest.raises(ConfigError, match=r"'column' is no mode of dividing an image: did you mean 'columns'\?"):
        read_division("a BREAK b", mode="column")
    with pytest.raises(ConfigError, match=r"'latents' is no calculation of a division: did you mean 'latent'\?"):
        read_division("a BREAK b", calculation="latents")


@pytest.mark.parametrize("area", [(0, 0, 0, 1), (0.5, 0, 0.2, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1), (0, 0, float("nan"), 1)])
def test_a_box_lies_in_the_image(area):
    with pytest.raises(ConfigError, match="A box is"):
        Part(prompt="", area=area)


def test_parts_of_other_areas_differ():
    box, mask = Part(prompt="a", area=(0, 0, 1, 1)), Part(prompt="a", area=np.ones((2, 2)))
    assert box != mask != Part(prompt="a", area=np.ones((2, 3)))
    assert mask == Part(prompt=" a\n", area=np.ones((2, 2)))
    assert mask != Part(prompt="b", area=np.ones((2, 2)))
    with pytest.raises(ValueError, match="read-only"):
        mask.area[0, 0] = 0


pictures = st.tuples(
    st.integers(1, 6), st.integers(1, 6), st.sampled_from(["RGB", "RGBA", "L", "P", "CMYK", "LA", "1", "I"])
).flatmap(
    lambda size: st.binary(min_size=4 * 36, max_size=4 * 36).map(
        lambda data: (
            Image.frombytes("RGB", size[:2], data[: 3 * size[0] * size[1]])
            .convert(size[2] if size[2] != "I" else "L")
            .convert(size[2])
        )
    )
)


@given(
    prompt=typed,
    negative=typed,
    mode=st.sampled_from(MODES),
    ratios=st.one_of(st.sampled_from(["1,1", "1,1,1", "1", ""]), st.text("0123456789.,; -e", max_size=12)),
    shares=st.one_of(st.just("0.2"), st.text("0123456789.,; -e", max_size=8)),
    flags=st.tuples(*[st.booleans()] * 5),
    mask=st.none() | pictures,
)
@example(prompt="a BREAK b", negative="", mode="columns", ratios="1,1", shares="", flags=(False,) * 5, mask=None)
@example(prompt="(" * 3000 + ",", negative="ADDCOL " * 3000, mode="prompt", ratios="", shares="", flags=(False,) * 5, mask=None)
def test_whatever_is_typed_is_read_or_refused_in_a_sentence(prompt, negative, mode, ratios, shares, flags, mask):
    flip, base, common, common_negative, keep_and = flags
    try:
        division = read_division(
            prompt,
            negative,
            mode=mode,
            ratios=ratios,
            flip=flip,
            base_ratios=shares,
            use_base=base,
            use_common=common,
            use_common_negative=common_negative,
            keep_and=keep_and,
            threshold=shares,
            mask=mask,
        )
    except (ConfigError, DataError) as error:
        assert str(error).endswith(".")
    else:
        assert division.parts
        assert len(division.prompts()) == len(division.negative_prompts()) == len(division.parts)


@given(st.text("0123456789.,; -einfa", max_size=8))
@example("inf")
@example("1e999,0")
def test_any_numbers_are_read_or_refused(numbers):
    for arguments in (
        {"prompt": "b ADDBASE 1 BREAK 2", "base_ratios": numbers},
        {"prompt": "b BREAK 1, x BREAK 2, y", "mode": "prompt", "threshold": numbers},
        {"prompt": "1 BREAK 2", "ratios": numbers},
    ):
        try:
            division = read_division(**arguments)
        except ConfigError as error:
            assert repr(numbers) in str(error) or "A box is" in str(error)
        else:
            assert len(division.parts) == 2
            assert all(0 <= part.base_ratio <= 1 for part in division.parts)
