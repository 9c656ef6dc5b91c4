"""What is told of a prompt counts the words that are read: no brackets, and what is read apart by itself."""

import pytest

from ildm.cli.drawing import prompt_notes
from ildm.conditioning.prompt import plain_text
from ildm.conditioning.text import TextConditioner, TextEncoderConfig
from ildm.conditioning.tokenizer import Tokenizer
from ildm.conditioning.wording import said

ROOM = 10


@pytest.fixture(scope="module")
def conditioner():
    tokenizer = Tokenizer.train(["a red rose", "a blue key"], vocabulary_size=300, max_tokens=ROOM + 2)
    return TextConditioner(TextEncoderConfig(width=8, depth=1, num_heads=1, max_tokens=ROOM + 2), tokenizer)


@pytest.mark.parametrize(
    "prompt",
    [
        "a red rose " * 3 + "a",
        "(((a red rose:1.3))) [a] " * 2 + "(a:1.5) (red)",
        "a red rose a red rose BREAK a red rose a red rose BREAK " * 3 + "a",
        "a red rose a red rose AND a red rose a red rose",
        "a red rose a red rose [a red rose:a blue key:3]",
    ],
)
def test_what_has_room_is_not_told(prompt, conditioner):
    assert prompt_notes(conditioner, [prompt], 5) == []


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red rose " * 3 + "a (red)", 2),
        ("a BREAK (a red rose) " + "a red rose " * 2 + "[a red] BREAK a", 2),
        ("a red rose " * 8 + "AND a blue key", 3),
        ("a red rose " * 3 + "[a:a red rose:3]", 2),
    ],
)
def test_what_is_read_in_parts_is_told(prompt, parts, conditioner):
    (note,) = prompt_notes(conditioner, [prompt, prompt], 5)
    assert note.startswith("'a red rose a red rose a red rose a")
    assert note.endswith(f" is longer than what the model reads at once: it is read in {parts} parts.")
    text = said(prompt, 4, 5)[0].text
    pieces, marks = conditioner.tokenizer.pieces(plain_text(text)), 2 * (parts + text.count("BREAK"))
    assert conditioner.read([text]).context_mask.sum() == len(pieces) + marks


@pytest.mark.parametrize("prompt", ["", " ", "()", "[BREAK]"])
def test_a_prompt_without_words_is_told(prompt, conditioner):
    (note,) = prompt_notes(conditioner, [prompt, "a red rose"], 5)
    assert note == "The prompt is empty, so the picture is drawn without words."
